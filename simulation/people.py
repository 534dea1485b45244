"""Authors with their topics and quality; viewers with the authors they follow and tastes that drift."""

import numpy as np

from contracts.arrays import F64, I64, Bools
from simulation.config import HOUR_MS, WorldConfig
from simulation.words import draw, make_words, zipf_cumulative

TASTE_STEP_MS = 600_000  # event time between two moves of the tastes
_REMEMBERED_STEPS = 1_008  # a week
FIRST_AUTHOR = 1_000_000
FIRST_VIEWER = 9_000_000


class Authors:
    """Authors as columns: `names`, `ids`, `topic` (main topic) and `followers` int64[a], `quality` float64[a]."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator) -> None:
        count = config.authors
        self.ids = FIRST_AUTHOR + np.arange(count, dtype=np.int64)
        self.names = [f"{word}{i % 97}" for i, word in enumerate(make_words(rng, count, (2, 3)))]
        self.topic = rng.integers(config.topics, size=count)
        self.quality = rng.standard_normal(count)
        self.followers = np.exp(6.0 + 1.2 * self.quality + 1.3 * rng.standard_normal(count)).astype(np.int64) + 1
        self.following = rng.integers(20, 3_000, size=count)
        activity = rng.permutation(np.diff(zipf_cumulative(count, 0.9), prepend=0.0))
        self._by_topic = [_cumulative(activity * (0.04 + (self.topic == t))) for t in range(config.topics)]
        cited = activity * np.exp(0.8 * self.quality)
        self._cited = [_cumulative(cited * (0.04 + (self.topic == t))) for t in range(config.topics)]
        self.topic_share = np.cumsum(np.bincount(self.topic, weights=activity, minlength=config.topics))

    def write(self, topics: I64, rng: np.random.Generator) -> I64:
        """int64[n], the author (index) of a tweet about each topic."""
        return _draw_by_topic(self._by_topic, topics, rng)

    def cite(self, topics: I64, rng: np.random.Generator) -> I64:
        """int64[n], the author (index) whom a tweet about each topic mentions."""
        return _draw_by_topic(self._cited, topics, rng)


class Viewers:
    """Viewers. `follows`: bool[viewers, authors], whom each one follows.

    A taste for a topic is an Ornstein-Uhlenbeck process of unit variance: every `TASTE_STEP_MS` it becomes
    t' = rho t + sqrt(1 - rho^2) z, with z drawn from a generator of (seed, step).
    """

    def __init__(self, config: WorldConfig, seed: int, authors: Authors, rng: np.random.Generator) -> None:
        self._config, self._seed = config, seed
        self._shape = (config.viewers, config.topics)
        self._rho = float(np.exp(-TASTE_STEP_MS / (config.taste_hours * HOUR_MS)))
        self.activity = _cumulative(rng.permutation(np.diff(zipf_cumulative(config.viewers, 0.7), prepend=0.0)))
        self._tastes = {0: rng.standard_normal(self._shape)}
        self.follows = _follow(config, authors, self._tastes[0], rng)

    def rows_of(self, viewer_ids: I64) -> I64:
        """int64[n], the row of each viewer; -1 for an id that is not of this world."""
        rows = viewer_ids - FIRST_VIEWER
        return np.where((rows >= 0) & (rows < self._config.viewers), rows, -1)

    def taste_at(self, at_ms: int) -> F64:
        """float64[viewers, topics], the tastes at `at_ms`.

        Raises `ValueError` for a time more than a week before the newest one asked for so far.
        """
        step = max(0, (at_ms - self._config.begin_ms) // TASTE_STEP_MS)
        newest = max(self._tastes)
        for number in range(newest + 1, step + 1):
            shock = np.random.default_rng([self._seed, 3, number]).standard_normal(self._shape)
            self._tastes[number] = self._rho * self._tastes[number - 1] + np.sqrt(1 - self._rho**2) * shock
            self._tastes.pop(number - _REMEMBERED_STEPS, None)
        if step not in self._tastes:
            raise ValueError(f"tastes at {at_ms} are no longer kept: only those of the last week are")
        return self._tastes[step]


def _follow(config: WorldConfig, authors: Authors, taste: F64, rng: np.random.Generator) -> Bools:
    """bool[viewers, authors]: each viewer mostly follows well-known authors of topics that it likes."""
    follows = np.zeros((config.viewers, config.authors), np.bool_)
    known = np.log(authors.followers)
    for viewer in range(config.viewers):
        score = taste[viewer][authors.topic] + 0.5 * known + rng.gumbel(size=config.authors)
        follows[viewer, np.argpartition(-score, config.follows)[: config.follows]] = True
    return follows


def _cumulative(weights: F64) -> F64:
    cumulative: F64 = np.cumsum(weights / weights.sum())
    return cumulative


def _draw_by_topic(cumulative: list[F64], topics: I64, rng: np.random.Generator) -> I64:
    found = np.empty(len(topics), np.int64)
    for topic, shares in enumerate(cumulative):
        rows = np.flatnonzero(topics == topic)
        found[rows] = draw(rng, shares, len(rows))
    return found

"""Hashtags that appear, burst, fade and come back: a self-exciting (Hawkes) process, one block of time at a time.

In a block with n tweets, hashtag h is used Poisson(base_h * n + excitement_h) times. Each use raises the excitement
of later blocks, with exponential decay; `branching` is the mean number of uses that one use causes. A new or a
revived hashtag gets a burst: a sudden rise of its excitement. Bursts are recorded: they are the true trends.
"""

from dataclasses import dataclass, field

import numpy as np

from contracts.arrays import F64, I64
from simulation.config import BLOCK_MS, HOUR_MS, WorldConfig
from simulation.words import make_words, zipf_cumulative

_MOST_SHARE = 0.12  # of all tweets, for one hashtag
_ALL_SHARE = 0.6  # of all tweets, for hashtags together
_FADED = 0.5  # expected uses per block; below it a hashtag may be revived


@dataclass(frozen=True, slots=True)
class Burst:
    """A sudden rise: when it began, and with how many tweets per block."""

    at_ms: int
    tweets_per_block: float


@dataclass(slots=True)
class Trend:
    """The true history of one hashtag. Evergreen ones have no bursts."""

    tag: str
    topic: int
    born_ms: int
    bursts: list[Burst] = field(default_factory=list)


class Hashtags:
    """The process. Call `step` once for every block, in order."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator) -> None:
        self._config = config
        self._decay = float(np.exp(-BLOCK_MS / config.excitement_ms))
        self._per_use = config.branching * (1.0 - self._decay)
        self._spare = make_words(rng, config.evergreen_tags + 1_000, (2, 3))
        self._born = 0
        self.trends: list[Trend] = []
        self._base = np.zeros(0)
        self._excitement = np.zeros(0)
        self.topics: I64 = np.zeros(0, np.int64)
        shares = np.diff(zipf_cumulative(config.evergreen_tags, 1.0), prepend=0.0) * 0.12
        for share in shares.tolist():
            self._add(config.begin_ms, int(rng.integers(config.topics)), share)

    def _add(self, at_ms: int, topic: int, base: float) -> int:
        name = self._spare[self._born % len(self._spare)]
        generation = self._born // len(self._spare)
        self._born += 1
        self.trends.append(Trend(name if generation == 0 else f"{name}{generation + 1}", topic, at_ms))
        self._base = np.append(self._base, base)
        self._excitement = np.append(self._excitement, 0.0)
        self.topics = np.append(self.topics, topic)
        return len(self.trends) - 1

    def step(self, at_ms: int, tweets: int, rng: np.random.Generator) -> tuple[I64, F64]:
        """Draw the hashtags of one block that begins at `at_ms` and has `tweets` tweets.

        Returns (the hashtag of each use, int64[u] in random order, u <= tweets; the expected uses of every hashtag
        in this block, float64[hashtags]).
        """
        config = self._config
        for _ in range(rng.poisson(config.births_per_hour * BLOCK_MS / HOUR_MS)):
            self._burst(self._add(at_ms, int(rng.integers(config.topics)), 0.0), at_ms, tweets, rng)
        for _ in range(rng.poisson(config.revivals_per_hour * BLOCK_MS / HOUR_MS)):
            faded = np.flatnonzero((self._excitement < _FADED) & (self._base == 0.0))
            if len(faded):
                self._burst(int(rng.choice(faded)), at_ms, tweets, rng)
        expected = np.minimum(self._base * tweets + self._excitement, _MOST_SHARE * tweets)
        uses = np.repeat(np.arange(len(expected)), rng.poisson(expected))
        rng.shuffle(uses)
        uses = uses[: int(_ALL_SHARE * tweets)]
        counts = np.bincount(uses, minlength=len(expected))
        self._excitement = self._excitement * self._decay + counts * self._per_use * (self._base == 0.0)
        return uses, expected

    def _burst(self, tag: int, at_ms: int, tweets: int, rng: np.random.Generator) -> None:
        low, high = self._config.burst_share
        size = float(np.exp(rng.uniform(np.log(low), np.log(high)))) * max(tweets, 1)
        self._excitement[tag] += size
        self.trends[tag].bursts.append(Burst(at_ms, size))

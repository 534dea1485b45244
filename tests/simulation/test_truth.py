"""The vocabulary against a world whose hashtags are known: what trends is admitted in the window that shows it."""

import collections
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from contracts.columnar import VocabDelta
from contracts.records import Tweet
from contracts.settings import VocabSettings
from simulation.config import WorldConfig
from simulation.world import World
from vocab.keys import SHARDS, key_of
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.source_counter import SourceCounter
from vocab.tokens.tokenizer import Tokenizer
from vocab.view.lists import merged
from vocab.view.updates import view_updates

WINDOW_MS = 60_000
HOURS = 2
SETTINGS = VocabSettings.uniform(admit_at=5.0, capacity=1 << 15, rare_slots=64, half_life_windows=120.0)


def decided(tweets: list[Tweet], first: int, last: int) -> Iterator[tuple[int, VocabularyOwner, list[VocabDelta]]]:
    """(window, owner, what it decided) of each window, as it closes."""
    owner = VocabularyOwner.begin(SETTINGS, range(SHARDS), frozenset({("tweets", 0)}))
    counter, tokenizer = SourceCounter("tweets", 0, 1, SHARDS), Tokenizer()
    windows = np.array([tweet.created_ms // WINDOW_MS for tweet in tweets], np.int64)
    for window in range(first, last):
        here = np.flatnonzero(windows == window)
        batch = tokenizer.tokenize([tweets[i] for i in here.tolist()])
        for _, frame in counter.count(batch, windows[here], window) + counter.markers(window):
            owner.observe(frame)
        yield window, owner, owner.close_windows()


def admissions(tweets: list[Tweet], first: int, last: int) -> dict[int, int]:
    """Key -> the window at which it first got a slot."""
    admitted: dict[int, int] = {}
    for window, _, deltas in decided(tweets, first, last):
        for delta in deltas:
            for key in delta.admitted_keys.tolist():
                admitted.setdefault(key, window)
    return admitted


def crossings(tweets: list[Tweet], first: int, last: int) -> dict[str, int]:
    """Hashtag -> the window at whose end its count, fading as the settings say, first reaches the threshold.

    The truth: an unbounded counter in floating point.
    """
    fresh: dict[int, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for tweet in tweets:
        fresh[tweet.created_ms // WINDOW_MS].update({word[1:] for word in tweet.text.split() if word[0] == "#"})
    fade = 2.0 ** (-1 / SETTINGS.word.half_life_windows)
    counts: dict[str, float] = {}
    crossed: dict[str, int] = {}
    for window in range(first, last):
        counts = {tag: count * fade for tag, count in counts.items()}
        for tag, count in fresh[window].items():
            counts[tag] = counts.get(tag, 0.0) + count
            if counts[tag] >= SETTINGS.word.admit_at:
                crossed.setdefault(tag, window)
    return crossed


@pytest.mark.slow
def test_true_trends_are_admitted_in_the_window_that_shows_them_and_nothing_else_is():
    world = World(WorldConfig(tweets_per_hour=9_000.0, births_per_hour=40.0), seed=3)
    begin, end = world.begin_ms // WINDOW_MS, (world.begin_ms + HOURS * 3_600_000) // WINDOW_MS
    tweets = world.tweets(end * WINDOW_MS)
    admitted, crossed = admissions(tweets, begin, end), crossings(tweets, begin, end)

    born = {trend.tag for trend in world.trends if trend.bursts and trend.born_ms > world.begin_ms}
    trending = {tag: window for tag, window in crossed.items() if tag in born}
    assert len(trending) > 20, "a world without trends would prove nothing"
    waits = {tag: admitted.get(key_of(Namespace.HASHTAG, tag), end) - window for tag, window in trending.items()}
    assert set(waits.values()) == {0}, "the window that crosses the threshold is the one that admits"

    rare = born - crossed.keys()
    assert rare
    assert not [tag for tag in rare if key_of(Namespace.HASHTAG, tag) in admitted], "false admissions"


@pytest.mark.slow
def test_bursts_top_what_rises_while_they_last_and_what_falls_has_none():
    world = World(WorldConfig(tweets_per_hour=9_000.0, births_per_hour=40.0), seed=3)
    begin = world.begin_ms // WINDOW_MS
    end = begin + HOURS * 60
    tweets = world.tweets(end * WINDOW_MS)
    bursts = [(burst.at_ms // WINDOW_MS, trend.tag) for trend in world.trends for burst in trend.bursts]
    large = {
        (burst.at_ms // WINDOW_MS, trend.tag)
        for trend in world.trends
        for burst in trend.bursts
        if burst.tweets_per_block >= 2.0
    }
    found = Counter[str]()
    for window, owner, _ in decided(tweets, begin, end):
        if window < begin + 60:
            continue
        values = [view_updates(owner.state).values[-1]]
        rising, falling = (
            [token.token for token in merged(values, kind, Namespace.HASHTAG, "all", "5m", 10)]
            for kind in ("rising", "falling")
        )
        since = {tag: window - at for at, tag in bursts if at <= window}  # minutes since a hashtag's newest burst
        found["best"] += 5
        found["best of lately"] += sum(since.get(tag, HOURS * 60) <= 25 for tag in rising[:5])
        found["fallen in a burst"] += sum(since.get(tag, HOURS * 60) <= 3 for tag in falling)
        lately = {tag for at, tag in large if window - 6 <= at <= window - 3}
        found["large"] += len(lately)
        found["large and found"] += len(lately & set(rising))
    assert found["large"] > 20, "a world without bursts would prove nothing"
    assert found["large and found"] >= 0.75 * found["large"]
    assert found["best of lately"] >= 0.75 * found["best"]
    assert found["fallen in a burst"] == 0

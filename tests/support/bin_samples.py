"""Streams of values and logs of counts for the tests of the bins."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from contracts.columnar import BinCounts
from contracts.columns import MISSING
from contracts.settings import BinSettings
from featurestore.bins.counter import BinCounter
from featurestore.bins.edges import Sketch
from featurestore.bins.owner import BinOwner
from featurestore.bins.sketch import bucket_of
from featurestore.features import TWEET_COUNTED

SOURCES = {
    "tweets": frozenset({("tweets", 0), ("tweets", 1)}),
    "served": frozenset({("candidates-served", 0)}),
}
COUNTERS = {source: BinCounter(*source) for sources in SOURCES.values() for source in sources}
LENGTH = TWEET_COUNTED.index("tweet.text_length")

STREAMS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "uniform": lambda rng: rng.uniform(1, 2, 20_000),
    "drifting": lambda rng: np.exp(rng.normal(np.linspace(0, 6, 20_000), 1)),
    "tied": lambda rng: rng.geometric(0.3, 20_000),
    "constant": lambda _: np.full(20_000, 7.25),
    "constant but for one": lambda _: np.append(np.full(19_999, -7.25), 3),
    "few": lambda rng: rng.normal(size=5),
    "heavy-tailed": lambda rng: rng.pareto(0.5, 20_000) + 1,
    "negative": lambda rng: rng.normal(-5, 3, 20_000),
    "mixed signs": lambda rng: rng.standard_cauchy(20_000),
    "tiny": lambda rng: rng.exponential(1e-38, 20_000),  # most of them subnormal
}


def sketch_of(values: Sequence[float] | np.ndarray) -> Sketch:
    buckets = bucket_of(np.asarray(values, np.float32))
    found, counts = np.unique(buckets[buckets >= 0].astype(np.int64), return_counts=True)
    return Sketch.ordinary(found, counts.astype(np.int64))


def frames_of(source: tuple[str, int], log: Sequence[tuple[int, Sequence[float]]], through: int) -> list[BinCounts]:
    """A source's frames: each window's text lengths are counted in two parts; the last frame closes all windows."""
    frames = []
    for window, values in log:
        dense = np.full((len(values), len(TWEET_COUNTED)), MISSING)
        dense[:, LENGTH] = values
        windows = np.full(len(values), window, np.int64)
        for part in (slice(0, len(values) // 2), slice(len(values) // 2, None)):
            frames += COUNTERS[source].count_tweets(dense[part], windows[part], window - 1)
    return [*frames, COUNTERS[source].marker(through)]


def counted(
    settings: BinSettings, values_by_window: Mapping[int, Sequence[float]], through: int | None = None
) -> tuple[BinOwner, list]:
    """An owner that has observed these text lengths, and its records."""
    owner = BinOwner(settings, SOURCES)
    through = max(values_by_window) if through is None else through
    frames = frames_of(("tweets", 0), sorted(values_by_window.items()), through)
    for frame in [*frames, COUNTERS["tweets", 1].marker(through), COUNTERS["candidates-served", 0].marker(through)]:
        owner.observe(frame)
    return owner, owner.close_windows()

"""Driftline's rolling bins over a stream of the study, by `BinCounter`, `BinOwner` and `Bins`."""

from collections.abc import Iterator

import numpy as np

from benchmarks.bins_study.stream import MONTH
from contracts.arrays import F32, F64, I64
from contracts.columns import FeatureColumns
from contracts.records import BinsVersion
from contracts.settings import BinSettings
from featurestore.bins.counter import BinCounter
from featurestore.bins.edges import Sketch, equal_mass_edges
from featurestore.bins.histogram import Histogram
from featurestore.bins.owner import BinOwner
from featurestore.bins.replica import Bins, FrozenBins
from featurestore.bins.sketch import BUCKET_BITS
from featurestore.features import CONTINUOUS, NUMBER, TWEET_COUNTED, VIEWER_DENSE
from trainer.bin_rows import row_mixtures

BINS = BinSettings().bins
FEWEST_VALUES = 100  # a feature with fewer values has no edges

_TWEET_COLUMNS = [NUMBER[name] for name in TWEET_COUNTED]
_TWEETS, _SERVED = ("tweets", 0), ("candidates-served", 0)

Mixture = tuple[I64, F64]  # rows of the bin table, and the matrix that mixes them


class RollingEdges:
    """Bins that follow a stream, window by window. Every example counts as a tweet and as a served candidate.

    edge_changes: (window, feature number, edges) of everything published, in order.
    """

    def __init__(self, bins: int = BINS) -> None:
        settings = BinSettings(bins=bins, rolling_windows=MONTH, minimum_values=FEWEST_VALUES)
        sources = {"tweets": frozenset([_TWEETS]), "served": frozenset([_SERVED])}
        self._owner = BinOwner(settings, sources)
        self._counters = BinCounter(*_TWEETS), BinCounter(*_SERVED)
        self._bins = Bins()
        self.edge_changes: list[tuple[int, int, F32]] = []

    @property
    def view(self) -> FrozenBins:
        """The newest edges."""
        return self._bins.at(self._bins.complete_through)

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Count a window's examples, float32[n, len(CONTINUOUS)], and close it. Returns how to mix the rows."""
        windows = np.full(len(dense), window, np.int64)
        tweets, served = self._counters
        frames = tweets.count_tweets(dense[:, _TWEET_COLUMNS], windows, window)
        frames += served.count_served(columns_of(dense), windows, window)
        for frame in [*frames, tweets.marker(window), served.marker(window)]:
            self._owner.observe(frame)
        mixtures: list[Mixture] = []
        for record in self._owner.close_windows():
            mixtures += self._take(record)
        return mixtures

    def _take(self, record: BinsVersion) -> Iterator[Mixture]:
        before = self.view.edges
        self._bins.apply(record)
        self.edge_changes += [(record.version, NUMBER[name], self.view.edges[NUMBER[name]]) for name in record.edges]
        return row_mixtures(before, record)


def month_edges(dense: F32, bins: int = BINS) -> FrozenBins:
    """Equal-mass edges of all values, float32[n, len(CONTINUOUS)], by the same sketch."""
    edges = {}
    numbers = np.arange(len(CONTINUOUS))
    codes, counts = Histogram().tally(dense, np.arange(len(dense)), numbers)
    for number in numbers.tolist():
        own = codes >> BUCKET_BITS == number
        sketch = Sketch.ordinary(codes[own] & ((1 << BUCKET_BITS) - 1), counts[own])
        edges[number] = equal_mass_edges(sketch, bins)
    return FrozenBins(1, edges)


def columns_of(dense: F32) -> FeatureColumns:
    """Examples as `FeatureColumns`: one viewer per example, without keys."""
    split = len(VIEWER_DENSE)
    return FeatureColumns(
        viewer_row=np.arange(len(dense), dtype=np.int32),
        viewer_dense=np.ascontiguousarray(dense[:, :split]),
        viewer_keys={},
        candidate_dense=np.ascontiguousarray(dense[:, split:]),
        candidate_keys={},
    )


def rows_of(view: FrozenBins, dense: F32) -> I64:
    """int64[n, len(CONTINUOUS)], the row of the bin table of every value float32[n, len(CONTINUOUS)]."""
    split = len(VIEWER_DENSE)
    parts = view.viewer.discretize(dense[:, :split]), view.candidate.discretize(dense[:, split:])
    return np.concatenate(parts, axis=1).astype(np.int64)

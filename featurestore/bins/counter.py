"""The frames that a source of bin counts sends: values of continuous features, counted in buckets per window.

Sources are the partitions of `tweets` and of `candidates-served`, and those of `examples` if edges are learned from
labels.
"""

from collections.abc import Sequence

import numpy as np

from contracts.arrays import F32, I64, Bools
from contracts.columnar import BinCounts
from contracts.columns import FeatureColumns
from featurestore.bins.histogram import Histogram
from featurestore.bins.sketch import BUCKET_BITS
from featurestore.features import CANDIDATE_DENSE, FEATURE_SET, NUMBER, TWEET_COUNTED, VIEWER_DENSE

_VIEWER_NUMBERS = np.arange(len(VIEWER_DENSE))
_CANDIDATE_NUMBERS = np.array([NUMBER[f.name] for f in CANDIDATE_DENSE if f.counted_from == "served"])
_TWEET_NUMBERS = np.array([NUMBER[name] for name in TWEET_COUNTED])

# (values float32[n, d], the window of each row int64[n], the feature number of each column int64[d])
_Block = tuple[F32, I64, I64]


class BinCounter:
    """Makes the count frames of one source, which is one input partition. It holds no counts between calls.

    Each call makes one frame per window that it counted in; the frame's `closed_through` is below its window, which
    tells it from a marker. A `marker`, sent after these frames, closes windows: its window equals its
    `closed_through`.
    """

    def __init__(self, source_topic: str, source_partition: int) -> None:
        self._topic = source_topic
        self._partition = source_partition
        self._histogram = Histogram()

    def count_tweets(self, dense: F32, windows: I64, closed_through: int) -> list[BinCounts]:
        """Count tweets. dense: float32[n, len(TWEET_COUNTED)] (`tweet_records.tweet_dense`). windows: int64[n]."""
        return self._count([(dense, windows, _TWEET_NUMBERS)], closed_through)

    def count_served(self, features: FeatureColumns, windows: I64, closed_through: int) -> list[BinCounts]:
        """Count the features that are counted as served. windows: int64[m], one per viewer, that is, per request."""
        candidates = features.candidate_dense[:, _CANDIDATE_NUMBERS - len(VIEWER_DENSE)]
        return self._count(
            [
                (features.viewer_dense, windows, _VIEWER_NUMBERS),
                (candidates, windows[features.viewer_row], _CANDIDATE_NUMBERS),
            ],
            closed_through,
        )

    def count_labelled(
        self,
        features: FeatureColumns,
        positive: Bools,
        windows: I64,
        numbers: I64,
        closed_through: int,
    ) -> list[BinCounts]:
        """Count the features `numbers`, ascending, of n examples. positive: bool[n]. windows: int64[n]."""
        of_viewer = numbers[numbers < len(VIEWER_DENSE)]
        of_candidate = numbers[len(of_viewer) :]
        block = np.concatenate(
            [
                features.viewer_dense[features.viewer_row][:, of_viewer],
                features.candidate_dense[:, of_candidate - len(VIEWER_DENSE)],
            ],
            axis=1,
        )
        frames = []
        for window, rows in _by_window(windows):
            codes, counts = self._histogram.tally(block, rows, numbers)
            found, positives_found = self._histogram.tally(block, rows[positive[rows]], numbers)
            positives = np.zeros(len(codes), np.int64)
            positives[np.searchsorted(codes, found)] = positives_found
            frames.append(self._frame(window, min(closed_through, window - 1), codes, counts, positives))
        return frames

    def marker(self, closed_through: int) -> BinCounts:
        """A frame without counts, which says that this source has closed the windows up to `closed_through`."""
        nothing = np.empty(0, np.int64)
        return self._frame(closed_through, closed_through, nothing, nothing, nothing)

    def _count(self, blocks: Sequence[_Block], closed_through: int) -> list[BinCounts]:
        tallies: dict[int, list[tuple[I64, I64]]] = {}
        for dense, windows, numbers in blocks:
            for window, rows in _by_window(windows):
                tallies.setdefault(window, []).append(self._histogram.tally(dense, rows, numbers))
        frames = []
        for window, parts in sorted(tallies.items()):
            codes = np.concatenate([codes for codes, _ in parts])
            counts = np.concatenate([counts for _, counts in parts])
            frames.append(self._frame(window, min(closed_through, window - 1), codes, counts, codes[:0]))
        return frames

    def _frame(self, window: int, closed_through: int, codes: I64, counts: I64, positives: I64) -> BinCounts:
        return BinCounts(
            source_topic=self._topic,
            source_partition=self._partition,
            closed_through=closed_through,
            window=window,
            feature_set=FEATURE_SET,
            features=(codes >> BUCKET_BITS).astype(np.uint16),
            buckets=(codes & ((1 << BUCKET_BITS) - 1)).astype(np.int32),
            counts=counts.astype(np.uint32),
            positives=positives.astype(np.uint32),
        )


def _by_window(windows: I64) -> list[tuple[int, I64]]:
    """(window, the rows in it), ascending."""
    if len(windows) == 0:
        return []
    order = np.argsort(windows, kind="stable")
    found, begins = np.unique(windows[order], return_index=True)
    return list(zip(found.tolist(), np.split(order, begins[1:]), strict=True))

"""Values of continuous features counted in log-spaced buckets: integers that add up in any order to the same sketch.

A bucket is the leading 18 bits of the float32, mapped so that buckets ascend as values do: sign, 8 bits of exponent,
9 of fraction, so a bucket is at most 0.2 % wide. -0.0 is 0.0. A missing value (NaN) is not counted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.columns import FeatureColumns
from contracts.frames import BinCounts
from featurestore.features import CANDIDATE_DENSE, FEATURE_SET, NUMBER, TWEET_COUNTED, VIEWER_DENSE

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U32 = NDArray[np.uint32]

BUCKET_BITS = 18
_DROPPED_BITS = np.uint32(32 - BUCKET_BITS)
_SIGN = np.uint32(1 << 31)


def ordered_bits(values: F32) -> U32:
    """uint32[...] that compare as the float32 values do; -0.0 and 0.0 give the same. NaN gives no useful one."""
    bits = (np.asarray(values, np.float32) + np.float32(0.0)).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def bucket_of(values: F32) -> I32:
    """int32[n]: the bucket of each value, 0 to 2^18-1; -1 for NaN."""
    buckets = (ordered_bits(values) >> _DROPPED_BITS).astype(np.int32)
    return np.where(np.isnan(values), np.int32(-1), buckets)


def smallest_in(buckets: NDArray[np.integer[Any]]) -> F32:
    """float32[n]: the smallest value of each bucket. Raises `ValueError` where that is no number."""
    ordered = np.asarray(buckets, np.uint32) << _DROPPED_BITS
    values = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered).astype(np.uint32).view(np.float32)
    if np.isnan(values).any():
        raise ValueError("a bucket of NaNs has no smallest value")
    return values


ZERO, MINUS_INFINITY, INFINITY = (int(bucket_of(np.array([x], np.float32))[0]) for x in (0.0, -np.inf, np.inf))

_VIEWER_NUMBERS = np.arange(len(VIEWER_DENSE), dtype=np.uint16)
_CANDIDATE_NUMBERS = np.array([NUMBER[f.name] for f in CANDIDATE_DENSE if f.counted_from == "served"], np.uint16)
_CANDIDATE_COLUMNS = _CANDIDATE_NUMBERS.astype(np.int64) - len(VIEWER_DENSE)
_TWEET_NUMBERS = np.array([NUMBER[name] for name in TWEET_COUNTED], np.uint16)


class BinCounter:
    """Makes the count frames of one source, one input partition. Holds no counts: every call's are sent.

    One frame a window that was counted in; its `closed_through` is below its window, and so says "counted in". A
    `marker`, to be sent after them, closes windows: its window is its `closed_through`.
    """

    def __init__(self, source_topic: str, source_partition: int) -> None:
        self._topic = source_topic
        self._partition = source_partition

    def count_tweets(self, dense: F32, windows: I64, closed_through: int) -> list[BinCounts]:
        """dense: float32[n, len(TWEET_COUNTED)] (`tweet_records.tweet_dense`). windows: int64[n], one a tweet."""
        return self._count([(dense, windows, _TWEET_NUMBERS)], closed_through)

    def count_served(self, features: FeatureColumns, windows: I64, closed_through: int) -> list[BinCounts]:
        """windows: int64[m], one a viewer, that is, a request. Counts the features that are counted as served."""
        candidates = features.candidate_dense[:, _CANDIDATE_COLUMNS]
        return self._count(
            [
                (features.viewer_dense, windows, _VIEWER_NUMBERS),
                (candidates, windows[features.viewer_row], _CANDIDATE_NUMBERS),
            ],
            closed_through,
        )

    def marker(self, closed_through: int) -> BinCounts:
        """A frame without counts: windows up to `closed_through` are closed here."""
        nothing = np.empty(0, np.int64)
        return self._frame(closed_through, closed_through, nothing, nothing)

    def _count(self, blocks: Sequence[tuple[F32, I64, NDArray[np.uint16]]], closed_through: int) -> list[BinCounts]:
        counted = np.unique(np.concatenate([window for _, window, _ in blocks]))
        frames = []
        for window in counted.tolist():
            here = [codes_of(dense[windows == window], numbers) for dense, windows, numbers in blocks]
            codes, counts = np.unique(np.concatenate(here), return_counts=True)
            frames.append(self._frame(window, min(closed_through, window - 1), codes, counts))
        return frames

    def _frame(self, window: int, closed_through: int, codes: I64, counts: I64) -> BinCounts:
        return BinCounts(
            source_topic=self._topic,
            source_partition=self._partition,
            closed_through=closed_through,
            window=window,
            feature_set=FEATURE_SET,
            features=(codes >> BUCKET_BITS).astype(np.uint16),
            buckets=(codes & ((1 << BUCKET_BITS) - 1)).astype(np.int32),
            counts=counts.astype(np.uint32),
        )


def codes_of(dense: F32, numbers: NDArray[np.uint16]) -> I64:
    """int64[k]: (feature number, bucket) as one integer, of the k values that are not NaN.

    dense: float32[n, len(numbers)].
    """
    buckets = bucket_of(dense)
    codes = (numbers.astype(np.int64) << BUCKET_BITS) + buckets
    return np.asarray(codes[buckets >= 0], np.int64)

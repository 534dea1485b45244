"""Log-spaced buckets of float32 values: which one a value falls into, and where it begins.

Counts of values in buckets are integers, so they add up in any order to the same sketch.

A bucket is the leading 18 bits of the float32, mapped so that buckets ascend as values do: sign, 8 bits of exponent,
9 of fraction, so a bucket is at most 0.2 % wide. -0.0 is 0.0. A NaN, missing values among them, has none.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, I32, U32

BUCKET_BITS = 18
_DROPPED_BITS = np.uint32(32 - BUCKET_BITS)
_SIGN = np.uint32(1 << 31)


def ordered_bits(values: F32) -> U32:
    """uint32[...] that compare as the float32 values do; -0.0 and 0.0 give the same. Meaningless for NaN."""
    bits = (np.asarray(values, np.float32) + np.float32(0.0)).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def bucket_of(values: F32) -> I32:
    """int32[n]: the bucket of each value, 0 to 2^18-1; -1 for NaN."""
    buckets = (ordered_bits(values) >> _DROPPED_BITS).astype(np.int32)
    return np.where(np.isnan(values), np.int32(-1), buckets)


def smallest_in(buckets: NDArray[np.integer[Any]]) -> F32:
    """float32[n]: the smallest value of each bucket. Raises `ValueError` for a bucket whose smallest value is NaN."""
    ordered = np.asarray(buckets, np.uint32) << _DROPPED_BITS
    values = np.where(ordered & _SIGN, ordered ^ _SIGN, ~ordered).astype(np.uint32).view(np.float32)
    if np.isnan(values).any():
        raise ValueError("a bucket of NaNs has no smallest value")
    return values


ZERO, MINUS_INFINITY, INFINITY = (int(bucket_of(np.array([x], np.float32))[0]) for x in (0.0, -np.inf, np.inf))

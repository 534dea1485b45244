"""Decision-tree bins: edges that separate engaged examples from the others, computed from labelled counts alone.

A one-dimensional tree, grown best-first. The next cut is made in the leaf whose best cut gains most information,

    gain(S; L, R) = H(S) - H(L) - H(R),    H(S) = n log2 n - p log2 p - (n - p) log2 (n - p),  in bits of all of S

for n examples, p of them positive, until there are `bins` leaves. Cuts are between buckets that occurred, and leave
at least `least` examples on either side. A cut must pay for its own description (Fayyad and Irani 1993, section 3):

    gain > log2(n - 1) + log2(3^k - 2) - (k H(S) / n - k_L H(L) / n_L - k_R H(R) / n_R),    k = classes that occur

so random labels give no edges at all. Of equal gains the lowest cut wins. Logarithms are computed by repeated
squaring of integers. Libraries round theirs differently on different processors, but these edges depend on the counts
alone.
"""

from dataclasses import dataclass

import numpy as np

from contracts.arrays import F32, F64, I64
from featurestore.bins.edges import NO_EDGES, Sketch
from featurestore.bins.sketch import smallest_in

_LOG_BITS = 30  # fraction bits of a logarithm; it is off by less than 2^-24


def tree_edges(every: Sketch, positive: Sketch, bins: int, least: int) -> F32:
    """Ascending edges, at most bins-1. every: all examples by bucket; positive: the engaged ones among them."""
    if every.total == 0:
        return NO_EDGES
    positives = np.zeros(len(every.counts), np.int64)
    positives[np.searchsorted(every.buckets, positive.buckets)] = positive.counts
    through = _Through(_through(every.counts), _through(positives))
    leaves = {0: _best_cut(through, 0, len(every.counts), least)}
    ends = {0: len(every.counts)}
    while len(leaves) < bins:
        begin, best = max(leaves.items(), key=lambda leaf: (leaf[1].gain, -leaf[0]))
        if best.gain <= 0:
            break
        end, ends[begin], ends[best.at] = ends[begin], best.at, ends[begin]
        leaves[begin] = _best_cut(through, begin, best.at, least)
        leaves[best.at] = _best_cut(through, best.at, end, least)
    cuts = np.array(sorted(leaves)[1:], np.int64)
    return smallest_in(every.buckets[cuts])


def information(examples: I64, positives: I64) -> F64:
    """H: float64[k], the bits that the labels of `examples` examples take when `positives` of them are positive."""
    return _times_log(examples) - _times_log(positives) - _times_log(examples - positives)


def price(n: F64, h: F64, k: F64) -> F64:
    """float64[3, ...] -> float64[...]: the gain above which it pays to cut the first row into the other two.

    n: examples. h: their information. k: classes among them, 1 or 2.
    """
    shares = k * h / n
    described = log2(n[0].astype(np.int64) - 1) + log2(np.power(3, k[0]).astype(np.int64) - 2)
    return np.asarray(described - (shares[0] - shares[1] - shares[2]), np.float64)


def log2(values: I64) -> F64:
    """float64[k]: binary logarithms of positive integers below 2^53; 0 for 0."""
    fraction, exponent = np.frexp(np.maximum(values, 1).astype(np.float64))
    square = (fraction * 2.0**32).astype(np.uint64)  # in [1, 2), with 31 bits behind the point
    logarithm = exponent.astype(np.int64) - 1
    for _ in range(_LOG_BITS):
        square = (square * square) >> np.uint64(31)
        carry = square >> np.uint64(32)
        square >>= carry
        logarithm = (logarithm << 1) | carry.astype(np.int64)
    return np.asarray(logarithm * 2.0**-_LOG_BITS, np.float64)


def _times_log(values: I64) -> F64:
    return np.asarray(values * log2(values), np.float64)


@dataclass(frozen=True, slots=True)
class _Cut:
    gain: float  # 0 where no cut pays
    at: int  # the bucket that begins the right side


@dataclass(frozen=True, slots=True)
class _Through:
    """int64[k + 1] each: how many examples, and how many positive ones, come before each bucket."""

    examples: I64
    positives: I64


def _through(counts: I64) -> I64:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _best_cut(through: _Through, begin: int, end: int, least: int) -> _Cut:
    """The cut of the leaf [begin, end) that gains most; its gain is 0 if no cut pays."""
    cuts = np.arange(begin + 1, end)
    n, p = (cumulative[[begin, end]] for cumulative in (through.examples, through.positives))
    left = through.examples[cuts] - n[0]
    right = n[1] - through.examples[cuts]
    cuts = cuts[(left >= least) & (right >= least)]
    if len(cuts) == 0:
        return _Cut(0.0, begin)
    examples = np.stack(
        [np.full(len(cuts), n[1] - n[0]), through.examples[cuts] - n[0], n[1] - through.examples[cuts]]
    )
    positives = np.stack(
        [np.full(len(cuts), p[1] - p[0]), through.positives[cuts] - p[0], p[1] - through.positives[cuts]]
    )
    h = information(examples, positives)
    gains = h[0] - h[1] - h[2]
    classes = np.where((positives > 0) & (positives < examples), 2.0, 1.0)
    gains[gains <= price(examples.astype(np.float64), h, classes)] = 0.0
    best = int(np.argmax(gains))
    return _Cut(float(gains[best]), int(cuts[best]))

"""Equal-mass edges out of a sketch, and how far two sketches lie apart. Integers in, so the same out everywhere."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featurestore.bin_sketch import INFINITY, MINUS_INFINITY, ZERO, smallest_in

I64 = NDArray[np.int64]
F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Sketch:
    """Counts of ordinary values: zero and infinities have bins of their own and do not count here.

    buckets: int64[k], ascending. counts: int64[k], positive.
    """

    buckets: I64
    counts: I64

    @staticmethod
    def ordinary(buckets: I64, counts: I64) -> "Sketch":
        """Out of all buckets of one feature."""
        kept = (buckets != ZERO) & (buckets > MINUS_INFINITY) & (buckets < INFINITY)
        return Sketch(buckets[kept], counts[kept])

    @property
    def total(self) -> int:
        """Number of values."""
        return int(self.counts.sum())


def equal_mass_edges(sketch: Sketch, bins: int) -> F32:
    """Ascending edges, at most bins-1, each the smallest value of a bucket that occurred.

    The k-th is the bucket boundary whose mass below is nearest to k/bins of all; a bucket that holds several shares
    (ties, a constant) gives its two boundaries once, and an edge with nothing below it is none.
    """
    if sketch.total == 0:
        return np.empty(0, np.float32)
    through = np.cumsum(sketch.counts)
    below = through - sketch.counts
    wanted = np.arange(1, bins, dtype=np.int64) * sketch.total  # in units of 1/bins of a value
    holding = np.searchsorted(through * bins, wanted, side="right")  # the bucket in which the share ends
    nearer_end = through[holding] * bins - wanted < wanted - below[holding] * bins
    chosen = np.unique(holding + nearer_end)
    return smallest_in(sketch.buckets[chosen[(chosen > 0) & (chosen < len(sketch.buckets))]])


def ks_distance(one: Sketch, other: Sketch) -> float:
    """The Kolmogorov-Smirnov distance: the largest difference of the shares at or below a value, 0 to 1.

    1 where only one of them is empty, 0 where both are.
    """
    if one.total == 0 or other.total == 0:
        return float(one.total != other.total)
    buckets = np.union1d(one.buckets, other.buckets)
    return float(np.abs(_share_through(one, buckets) - _share_through(other, buckets)).max())


def _share_through(sketch: Sketch, buckets: I64) -> NDArray[np.float64]:
    through = np.concatenate([[0], np.cumsum(sketch.counts)])
    return np.asarray(through[np.searchsorted(sketch.buckets, buckets, side="right")] / sketch.total, np.float64)

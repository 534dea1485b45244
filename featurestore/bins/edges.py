"""Equal-mass edges of a sketch, the distance of two sketches, and how edges divide a sketch's mass.

Everything is computed from integers, so every machine gets the same result. A value on an edge belongs to the bin
above it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from contracts.arrays import F32, I64
from featurestore.bins.sketch import INFINITY, MINUS_INFINITY, ZERO, bucket_of, smallest_in

NO_EDGES = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class Sketch:
    """Counts of ordinary values: zero and infinities have bins of their own and do not count here.

    buckets: int64[k], ascending. counts: int64[k], positive.
    """

    buckets: I64
    counts: I64

    @staticmethod
    def empty() -> "Sketch":
        """The sketch of no values."""
        return Sketch(np.empty(0, np.int64), np.empty(0, np.int64))

    @staticmethod
    def ordinary(buckets: I64, counts: I64) -> "Sketch":
        """The ordinary ones among all buckets of one feature."""
        kept = (buckets != ZERO) & (buckets > MINUS_INFINITY) & (buckets < INFINITY)
        return Sketch(buckets[kept], counts[kept])

    @property
    def total(self) -> int:
        """Number of values."""
        return int(self.counts.sum())

    def below(self, edges: F32) -> I64:
        """int64[len(edges)]: how many values are below each edge; exact for edges that begin a bucket."""
        through = np.concatenate([[0], np.cumsum(self.counts)])
        return np.asarray(through[np.searchsorted(self.buckets, bucket_of(edges), side="left")], np.int64)

    def masses(self, edges: F32) -> I64:
        """int64[len(edges) + 1]: how many values are in each bin."""
        return np.diff(self.below(edges), prepend=0, append=self.total)


def equal_mass_edges(sketch: Sketch, bins: int) -> F32:
    """Ascending edges, at most bins-1, each the smallest value of a bucket that occurred.

    The k-th edge is the bucket boundary whose mass below is nearest to k/bins of the total. A bucket that holds
    several shares (ties, a constant) gives its two boundaries once. An edge with nothing below it is left out.
    """
    if sketch.total == 0:
        return NO_EDGES
    through = np.cumsum(sketch.counts)
    below = through - sketch.counts
    wanted = np.arange(1, bins, dtype=np.int64) * sketch.total  # in units of 1/bins of a value
    # The bucket in which each share ends.
    holding = np.searchsorted(through * bins, wanted, side="right")
    nearer_end = through[holding] * bins - wanted < wanted - below[holding] * bins
    chosen = np.unique(holding + nearer_end)
    return smallest_in(sketch.buckets[chosen[(chosen > 0) & (chosen < len(sketch.buckets))]])


def ks_distance(one: Sketch, other: Sketch) -> float:
    """The Kolmogorov-Smirnov distance: the largest difference of the shares at or below a value, 0 to 1.

    It is 1 if exactly one sketch is empty, and 0 if both are.
    """
    if one.total == 0 or other.total == 0:
        return float(one.total != other.total)
    return float(_widest_gap(one.buckets, np.cumsum(one.counts), other.buckets, np.cumsum(other.counts)))


@njit(cache=True, nogil=True, boundscheck=False)
def _widest_gap(buckets: Any, through: Any, other_buckets: Any, other_through: Any) -> float:
    """One pass over both sketches, by bucket. through: int64[k], how many values are in a bucket or below it."""
    total, other_total = through[-1], other_through[-1]
    i = j = 0
    widest = 0.0
    while i < buckets.size and j < other_buckets.size:
        here, there = buckets[i], other_buckets[j]
        if here <= there:
            i += 1
        if there <= here:
            j += 1
        share = through[i - 1] / total if i else 0.0
        other_share = other_through[j - 1] / other_total if j else 0.0
        widest = max(widest, abs(share - other_share))
    return widest  # past the end of one, its share is 1 and the other's only nears it


def holds_ranks(edges: F32, sketch: Sketch) -> bool:
    """Whether each bin's mass is within half a share of an equal share, so that bin k has rank k. Ties prevent it."""
    masses, bins = sketch.masses(edges), len(edges) + 1
    return bool((np.abs(masses * bins - sketch.total) * 2 <= sketch.total).all())


def cells(former: F32, edges: F32, sketch: Sketch) -> I64:
    """int64[m + 1]: how many values are in each cell; the m distinct edges of both sets cut the line into cells."""
    return sketch.masses(np.union1d(former, edges))

"""The bin of each value, for the features of a block of columns at once.

Bins of a feature, in this order; every float32 falls into exactly one:

    0 missing   1 any other NaN   2 minus infinity   3 zero, also -0.0   4 infinity
    5+k ordinary: edges[k-1] <= x < edges[k]

Missing is one NaN, `contracts.columns.MISSING`, recognized by its bits.

Each feature owns BIN_STRIDE rows of the bin table. So the row of (feature, bin) depends on the feature set alone, and
does not move when `bins.bins` changes. A discretized value becomes that row.

The bin of an ordinary value is the number of edges that it has reached. Edges are stored edge-major: the k-th edges
of all features are adjacent. So a row of values is compared with a row of edges, lane by lane, without a branch, a
gather or a search. For at most MAX_BINS - 1 edges this is several times as fast as a binary search per value.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from contracts.arrays import F32, I32
from contracts.columns import MISSING_BITS
from vocab.sorted_keys import read_only

MISSING_BIN, NAN_BIN, MINUS_INFINITY_BIN, ZERO_BIN, INFINITY_BIN, ORDINARY = range(6)
BIN_STRIDE = 64  # rows of the bin table that each feature owns
MAX_BINS = BIN_STRIDE - ORDINARY


class EdgeTable:
    """The edges of d features, which are adjacent columns of a matrix of values. Immutable.

    edges: float32[most edges of any feature, d], ascending down a column, then NaN, which no value reaches.
    first_rows: int32[d], the row of the bin table of each feature's bin 0.
    """

    __slots__ = ("edges", "first_rows")

    def __init__(self, edges: Sequence[F32], first: int = 0) -> None:
        """edges: per feature, ascending finite float32, fewer than MAX_BINS. first: the first feature's number."""
        padded = np.full((max(map(len, edges), default=0), len(edges)), np.nan, np.float32)
        for column, of_feature in enumerate(edges):
            padded[: len(of_feature), column] = of_feature
        self.edges = read_only(padded)
        self.first_rows = read_only(np.arange(first, first + len(edges), dtype=np.int32) * np.int32(BIN_STRIDE))

    def discretize(self, values: F32) -> I32:
        """float32[n, d] -> int32[n, d]: the row of (feature, bin) of every value.

        Raises `ValueError` if `values` does not have d columns.
        """
        if values.shape[1] != len(self.first_rows):
            raise ValueError(f"{values.shape[1]} columns of values, but edges of {len(self.first_rows)} features")
        rows = np.empty(values.shape, np.int32)
        rows_into(read_only(values), self.edges, self.first_rows, rows)
        return rows


@njit(cache=True, nogil=True, boundscheck=False)
def rows_into(
    values: Any,  # float32[n, d]
    edges: Any,  # float32[most edges, d]
    first_rows: Any,  # int32[d]
    rows: Any,  # int32[n, d], filled
) -> None:
    """For each row: count the edges reached, then correct the bins of values that are not ordinary."""
    patterns = values.view(np.uint32)
    for i in range(values.shape[0]):
        value, bits, row = values[i], patterns[i], rows[i]
        for j in range(row.size):
            row[j] = ORDINARY
        for k in range(edges.shape[0]):
            edge = edges[k]
            for j in range(row.size):
                row[j] += np.int32(edge[j] <= value[j])
        for j in range(row.size):
            x, found = value[j], row[j]
            found = np.int32(ZERO_BIN) if x == 0 else found
            found = np.int32(INFINITY_BIN) if x == np.inf else found
            found = np.int32(MINUS_INFINITY_BIN) if x == -np.inf else found
            found = np.int32(NAN_BIN) if x != x else found
            found = np.int32(MISSING_BIN) if bits[j] == MISSING_BITS else found
            row[j] = first_rows[j] + found

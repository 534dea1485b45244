"""Bags of embedding rows: pool them, and send a pooled vector's gradient back to the rows.

    pooled[i] = sum of v * table[s] over (s, v) in bag i / sqrt(len of bag i)        (an empty bag pools to zero)

The square root keeps the variance of a bag of fresh rows the same for 1 key and for 50. v is what a row counts for,
1 unless the split has values; the row's gradient is times v too. First-order weights pool the same way. `reference`
defines the result; `pool` and `scatter` here are the numba version.
"""

from model.kernels.bags.layout import Bags
from model.kernels.bags.numba_version import pool, scatter

__all__ = ["Bags", "pool", "scatter"]

"""Pool bags of embedding rows, and scatter the gradient of a pooled vector to its rows.

    pooled[i] = sum of w * table[r] over (r, w) in bag i / sqrt(length of bag i)        (an empty bag pools to zero)

The square root keeps the variance of a bag of fresh rows the same for 1 id and for 50. w is what the row counts for,
1 where the bags have no weights; it multiplies the row's gradient too. First-order weights pool the same way.
`reference` defines the result; `pool` and `scatter` here are the numba version.
"""

from model.kernels.bags.numba_version import as_arrays, pool, scatter

__all__ = ["as_arrays", "pool", "scatter"]

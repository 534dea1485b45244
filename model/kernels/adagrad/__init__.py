"""Row-wise Adagrad on the rows that a batch touched: one second moment per row instead of one per element.

    moment[r] += mean(gradient[r] ** 2);   table[r] -= rate * gradient[r] / (sqrt(moment[r]) + 1e-8)

Untouched rows keep their bits. `reference` defines the result.
"""

from model.kernels.adagrad.numba_version import update

__all__ = ["update"]

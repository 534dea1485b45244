"""Row-wise Adagrad, compiled, in place, for a table and its first-order weights together."""

from typing import Any

import numpy as np
from numba import njit

_EPSILON = np.float32(1e-8)


@njit(cache=True, nogil=True, boundscheck=False)
def update(
    touched: Any,  # int32[capacity]
    count: int,  # how many of `touched` are in use
    gradient: Any,  # float32[capacity, dim]
    linear_gradient: Any,  # float32[capacity]
    embedding: Any,  # float32[rows, dim], changed
    linear: Any,  # float32[rows], changed
    embedding_moment: Any,  # float32[rows], changed
    linear_moment: Any,  # float32[rows], changed
    place: Any,  # int32[rows], its touched entries set back to -1
    rate: Any,  # float32
) -> None:
    """One step of the `count` rows in `touched`."""
    dim = gradient.shape[1]
    for at in range(count):
        row = touched[at]
        place[row] = -1
        squares = np.float32(0.0)
        for k in range(dim):
            squares += gradient[at, k] * gradient[at, k]
        embedding_moment[row] += squares / np.float32(dim)
        step = rate / (np.sqrt(embedding_moment[row]) + _EPSILON)
        for k in range(dim):
            embedding[row, k] -= step * gradient[at, k]
        linear_moment[row] += linear_gradient[at] * linear_gradient[at]
        linear[row] -= rate / (np.sqrt(linear_moment[row]) + _EPSILON) * linear_gradient[at]

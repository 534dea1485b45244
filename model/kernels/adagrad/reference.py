"""Row-wise Adagrad in plain numpy: the definition."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F64, I32

EPSILON = 1e-8  # keeps a row whose gradients were all zero from dividing by zero


def update(
    rows: I32,  # [t], each once
    gradient: NDArray[np.floating[Any]],  # [t, dim]
    table: NDArray[np.floating[Any]],  # [rows, dim]
    moment: NDArray[np.floating[Any]],  # [rows]
    rate: float,
) -> tuple[F64, F64]:
    """(table float64[rows, dim], moment float64[rows]) after one step; the inputs are left alone."""
    new_table, new_moment = table.astype(np.float64), moment.astype(np.float64)
    wide = gradient.astype(np.float64)
    new_moment[rows] += np.mean(wide**2, axis=1)
    new_table[rows] -= rate * wide / (np.sqrt(new_moment[rows]) + EPSILON)[:, None]
    return new_table, new_moment

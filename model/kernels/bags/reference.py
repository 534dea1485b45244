"""Pooling and its gradient in plain numpy, float64 inside: the definition."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F64, I32
from contracts.bags import Rows

Floats = NDArray[np.floating[Any]]


def pool(
    bags: Rows,
    embedding: Floats,  # [rows, dim]
    linear: Floats,  # [rows]
) -> tuple[F64, F64]:
    """(pooled float64[n, dim], first_order float64[n])."""
    n = len(bags)
    pooled, first_order = np.zeros((n, embedding.shape[1])), np.zeros(n)
    for i, (rows, shares) in enumerate(_shares(bags)):
        pooled[i] = shares @ embedding[rows].astype(np.float64)
        first_order[i] = shares @ linear[rows].astype(np.float64)
    return pooled, first_order


def scatter(
    bags: Rows,
    pooled_gradient: Floats,  # [n, dim]
    first_order_gradient: Floats,  # [n]
    rows: int,
) -> tuple[F64, F64]:
    """(gradient of the table float64[rows, dim], of the first-order weights float64[rows])."""
    table = np.zeros((rows, pooled_gradient.shape[1]))
    linear = np.zeros(rows)
    for i, (bag, shares) in enumerate(_shares(bags)):
        for row, share in zip(bag, shares, strict=True):
            table[row] += pooled_gradient[i].astype(np.float64) * share
            linear[row] += float(first_order_gradient[i]) * share
    return table, linear


def _shares(bags: Rows) -> Iterator[tuple[I32, F64]]:
    """For each bag its rows, [k], and their factors in the pooled sum, float64[k]."""
    weights = bags.weights_or_ones().astype(np.float64)
    for begin, end in zip(bags.offsets[:-1], bags.offsets[1:], strict=True):
        yield bags.ids[begin:end], weights[begin:end] / np.sqrt(np.float64(max(end - begin, 1)))

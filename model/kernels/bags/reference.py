"""Pooling and its gradient in plain numpy, float64 inside: the definition."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def pool(
    offsets: NDArray[np.int64],  # [n + 1]
    slots: NDArray[np.int32],  # [offsets[n]]
    embedding: Floats,  # [rows, dim]
    linear: Floats,  # [rows]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(pooled float64[n, dim], first_order float64[n])."""
    n = len(offsets) - 1
    pooled, first_order = np.zeros((n, embedding.shape[1])), np.zeros(n)
    for i in range(n):
        bag = slots[offsets[i] : offsets[i + 1]]
        if len(bag):
            scale = 1 / np.sqrt(len(bag))
            pooled[i] = embedding[bag].astype(np.float64).sum(axis=0) * scale
            first_order[i] = linear[bag].astype(np.float64).sum() * scale
    return pooled, first_order


def scatter(
    offsets: NDArray[np.int64],  # [n + 1]
    slots: NDArray[np.int32],  # [offsets[n]]
    pooled_gradient: Floats,  # [n, dim]
    first_order_gradient: Floats,  # [n]
    rows: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(gradient of the table float64[rows, dim], of the first-order weights float64[rows])."""
    table = np.zeros((rows, pooled_gradient.shape[1]))
    linear = np.zeros(rows)
    for i in range(len(offsets) - 1):
        bag = slots[offsets[i] : offsets[i + 1]]
        for slot in bag:
            table[slot] += pooled_gradient[i].astype(np.float64) / np.sqrt(len(bag))
            linear[slot] += float(first_order_gradient[i]) / np.sqrt(len(bag))
    return table, linear

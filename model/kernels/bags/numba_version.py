"""Pooling and its gradient, compiled. One pass over the bags in order, without an allocation per bag."""

from typing import Any

import numpy as np
from numba import njit

from contracts.arrays import F32, I32, I64
from contracts.bags import Rows

_NO_WEIGHTS = np.empty(0, np.float32)

# Arrays as in reference.py, float32. Touched rows are listed in the order of their first touch: an update then costs
# what the batch touched, not the size of the table, and visits the rows in a fixed order.


@njit(cache=True, nogil=True, boundscheck=False)
def pool_into(
    offsets: Any, rows: Any, weights: Any, embedding: Any, linear: Any, pooled: Any, first_order: Any
) -> None:
    """Fill pooled float32[n, dim] and first_order float32[n]. Empty weights: no multiplication."""
    dim = embedding.shape[1]
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        total = np.float32(0.0)
        for k in range(dim):
            pooled[i, k] = np.float32(0.0)
        if weights.size:
            for j in range(begin, end):
                row, weight = rows[j], weights[j]
                total += weight * linear[row]
                for k in range(dim):
                    pooled[i, k] += weight * embedding[row, k]
        else:
            for j in range(begin, end):
                row = rows[j]
                total += linear[row]
                for k in range(dim):
                    pooled[i, k] += embedding[row, k]
        scale = np.float32(1.0) / np.sqrt(np.float32(max(end - begin, 1)))
        first_order[i] = total * scale
        for k in range(dim):
            pooled[i, k] *= scale


@njit(cache=True, nogil=True, boundscheck=False)
def scatter_into(
    offsets: Any,
    rows: Any,
    weights: Any,
    pooled_gradient: Any,
    first_order_gradient: Any,
    place: Any,  # int32[rows of the table]: the row's place in the buffers, -1 = not touched yet
    touched: Any,  # int32[capacity]: the touched rows
    count: int,  # how many of `touched` are in use
    buffer: Any,  # float32[capacity, dim]
    buffer_linear: Any,  # float32[capacity]
) -> int:
    """Add the gradients of one field's bags to the buffers; returns the new count of touched rows."""
    dim = pooled_gradient.shape[1]
    # Tested for every row: beside the row's sums that costs nothing measurable.
    weighted = weights.size > 0
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        scale = np.float32(1.0) / np.sqrt(np.float32(max(end - begin, 1)))
        for j in range(begin, end):
            row = rows[j]
            share = weights[j] * scale if weighted else scale
            at = place[row]
            if at < 0:
                at = count
                count += 1
                place[row] = at
                touched[at] = row
                buffer_linear[at] = np.float32(0.0)
                for k in range(dim):
                    buffer[at, k] = np.float32(0.0)
            buffer_linear[at] += first_order_gradient[i] * share
            for k in range(dim):
                buffer[at, k] += pooled_gradient[i, k] * share
    return count


def as_arrays(bags: Rows) -> tuple[I64, I32, F32]:
    """(offsets, rows, weights) as the compiled functions take bags. Weights that are None are an empty array.

    A plain tuple, which numba takes apart some microseconds faster than a named one.
    """
    return bags.offsets, bags.ids, _NO_WEIGHTS if bags.weights is None else bags.weights


def pool(bags: Rows, embedding: F32, linear: F32) -> tuple[F32, F32]:
    """(pooled float32[n, dim], first_order float32[n])."""
    pooled = np.empty((len(bags), embedding.shape[1]), np.float32)
    first_order = np.empty(len(bags), np.float32)
    pool_into(*as_arrays(bags), embedding, linear, pooled, first_order)
    return pooled, first_order


def scatter(
    bags: Rows,
    pooled_gradient: F32,
    first_order_gradient: F32,
    place: I32,
    touched: I32,
    count: int,
    buffer: F32,
    buffer_linear: F32,
) -> int:
    """`scatter_into` of these bags."""
    offsets, rows, weights = as_arrays(bags)
    return scatter_into(
        offsets, rows, weights, pooled_gradient, first_order_gradient, place, touched, count, buffer, buffer_linear
    )

"""Pooling and its gradient, compiled. One pass over the bags, in order; nothing allocated per bag."""

from typing import Any

import numpy as np
from numba import njit

from model.kernels.bags.layout import Bags

# Arrays as in reference.py, float32. What is touched is listed in order of first touch, so that an update costs
# what the batch touches, not what the table holds, and always walks the rows in the same order.


@njit(cache=True, nogil=True, boundscheck=False)
def pool_into(
    offsets: Any, slots: Any, values: Any, embedding: Any, linear: Any, pooled: Any, first_order: Any
) -> None:
    """Fill pooled float32[n, dim] and first_order float32[n]. Without values nothing is multiplied."""
    dim = embedding.shape[1]
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        total = np.float32(0.0)
        for k in range(dim):
            pooled[i, k] = np.float32(0.0)
        if values.size:
            for j in range(begin, end):
                slot, value = slots[j], values[j]
                total += value * linear[slot]
                for k in range(dim):
                    pooled[i, k] += value * embedding[slot, k]
        else:
            for j in range(begin, end):
                slot = slots[j]
                total += linear[slot]
                for k in range(dim):
                    pooled[i, k] += embedding[slot, k]
        scale = np.float32(1.0) / np.sqrt(np.float32(max(end - begin, 1)))
        first_order[i] = total * scale
        for k in range(dim):
            pooled[i, k] *= scale


@njit(cache=True, nogil=True, boundscheck=False)
def scatter_into(
    offsets: Any,
    slots: Any,
    values: Any,
    pooled_gradient: Any,
    first_order_gradient: Any,
    place: Any,  # int32[rows]: where a row's gradient stands in the buffers, -1 = not touched yet
    touched: Any,  # int32[capacity]: the touched rows
    count: int,  # how many of `touched` are in use
    buffer: Any,  # float32[capacity, dim]
    buffer_linear: Any,  # float32[capacity]
) -> int:
    """Add the gradients of one split's bags; returns the new count of touched rows."""
    dim = pooled_gradient.shape[1]
    valued = values.size > 0  # asked for each row: beside the row's own sums that costs nothing that can be measured
    for i in range(offsets.size - 1):
        begin, end = offsets[i], offsets[i + 1]
        scale = np.float32(1.0) / np.sqrt(np.float32(max(end - begin, 1)))
        for j in range(begin, end):
            slot = slots[j]
            share = values[j] * scale if valued else scale
            at = place[slot]
            if at < 0:
                at = count
                count += 1
                place[slot] = at
                touched[at] = slot
                buffer_linear[at] = np.float32(0.0)
                for k in range(dim):
                    buffer[at, k] = np.float32(0.0)
            buffer_linear[at] += first_order_gradient[i] * share
            for k in range(dim):
                buffer[at, k] += pooled_gradient[i, k] * share
    return count


def pool(bags: Bags, embedding: Any, linear: Any) -> tuple[Any, Any]:
    """(pooled float32[n, dim], first_order float32[n])."""
    n = len(bags.offsets) - 1
    pooled = np.empty((n, embedding.shape[1]), np.float32)
    first_order = np.empty(n, np.float32)
    pool_into(*bags, embedding, linear, pooled, first_order)
    return pooled, first_order


scatter = scatter_into

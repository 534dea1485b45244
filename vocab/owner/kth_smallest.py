"""The k-th smallest of many counts, most of which may be equal.

Keys that were seen once in one window all have the same count; a quickselect that parts values in two takes a hundred
times as long for these.
"""

from typing import Any

import numpy as np
from numba import njit

from contracts.arrays import U64


def kth_smallest(values: U64, k: int) -> np.uint64:
    """`np.sort(values)[k]`, in time n log k at most, and n where few of the values are among the k smallest."""
    return np.uint64(_kth_smallest(values, np.empty(k + 1, np.uint64)))


@njit(cache=True, nogil=True, boundscheck=False)
def _kth_smallest(values: Any, heap: Any) -> Any:
    """`heap` holds the smallest values so far, the largest of them at its top (Williams 1964, Algorithm 232)."""
    size = heap.size
    heap[:] = values[:size]
    for place in range(size // 2 - 1, -1, -1):
        _sift(heap, place, heap[place])
    for i in range(size, values.size):
        if values[i] < heap[0]:
            _sift(heap, 0, values[i])
    return heap[0]


@njit(cache=True, nogil=True, boundscheck=False)
def _sift(heap: Any, place: int, value: Any) -> None:
    """Puts a value at a place of the heap or further down, so that no value is above a larger one."""
    size = heap.size
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = value

"""Rows with equal columns, found by one sort: the base of every aggregate here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import I64, U64


def group(*columns: NDArray[Any]) -> tuple[I64, I64]:
    """(first, index): the first row of each distinct combination of values, and the group of each of the n rows.

    Groups ascend by the columns in order.
    """
    n = len(columns[0])
    if n == 0:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.lexsort(columns[::-1])
    new = np.zeros(n, bool)
    new[0] = True
    for column in columns:
        ordered = column[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    index = np.empty(n, np.int64)
    index[order] = np.cumsum(new) - 1
    return order[new], index


def place_in_group(index: I64) -> I64:
    """How many rows of the same group come before each row. Rows of a group must be consecutive."""
    if len(index) == 0:
        return index
    rows = np.arange(len(index), dtype=np.int64)
    begins = np.concatenate([[True], index[1:] != index[:-1]])
    starts = np.maximum.accumulate(np.where(begins, rows, 0))
    return rows - starts


def sum_rows(index: I64, groups: int, rows: NDArray[Any]) -> U64:
    """uint64[groups, width]: the sums of `rows` (n x width, non-negative) by group."""
    total = np.zeros((groups, rows.shape[1]), np.uint64)
    if len(rows):
        order = np.argsort(index, kind="stable")
        ordered = index[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        total[ordered[starts]] = np.add.reduceat(rows[order].astype(np.uint64), starts, axis=0)
    return total

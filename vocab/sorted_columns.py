"""Columns with one row for each key, in ascending order of key, that grow and shrink in place.

A column is a buffer with spare room at its end. Inserting moves rows from the last one on, removing from the first
one on. So every row moves once, straight to its place, and nothing is copied aside. Either costs one read and one
write of the rows behind the first change, in runs between the changes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit, types
from numba.core.cgutils import raw_memmove
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from contracts.arrays import I64, U64, Bools
from vocab.sorted_keys import read_only

ROOM = 64  # a buffer that is too short gets a 64th more rows than it needs
_SHORT = 16  # a run of so few rows is moved row by row: calling `memmove` takes longer
MOST_ROOM = 8  # a buffer with more than an eighth of spare rows, after many went at once, is cut


class SortedColumns:
    """`size` rows of named columns, one of them `keys` (uint64). Owns the arrays that it is given."""

    __slots__ = ("_buffers", "size")

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._buffers = dict(columns)
        self.size = len(self._buffers["keys"])

    def __len__(self) -> int:
        return self.size

    @property
    def nbytes(self) -> int:
        """Memory of the buffers, their room included."""
        return sum(buffer.nbytes for buffer in self._buffers.values())

    def column(self, name: str) -> NDArray[Any]:
        """The rows of one column. May be written into; valid until rows come or go."""
        return self._buffers[name][: self.size]

    def locate(self, keys: U64) -> tuple[I64, Bools]:
        """For every key: (the first row whose key is not lower, whether that is the key). keys: uint64[m],
        ascending."""
        return locate(self.column("keys"), keys)

    def insert(self, at: I64, rows: Mapping[str, Any]) -> None:
        """Inserts rows before the rows `at`, ascending; new rows at one place stay in the order given.

        rows: of each column an array with a value for each new row, or one value for all of them.
        """
        size = self.size + len(at)
        places = at + np.arange(len(at))
        for name, values in rows.items():
            buffer = self._buffers[name]
            if size > len(buffer):
                buffer = np.empty(size + size // ROOM, buffer.dtype)
                buffer[: self.size] = self._buffers[name][: self.size]
                self._buffers[name] = buffer
            _open(buffer, self.size, at)
            buffer[places] = values
        self.size = size

    def keep(self, mask: Bools) -> None:
        """Forgets the rows where `mask` is false. bool[size]"""
        size = int(np.count_nonzero(mask))
        if size == self.size:
            return
        gone = np.flatnonzero(~mask)
        for name, buffer in self._buffers.items():
            if len(gone) * _SHORT > self.size:
                _pack(buffer, mask)
            else:
                _close(buffer, self.size, gone)
            if len(buffer) > size + size // MOST_ROOM:
                self._buffers[name] = buffer[:size].copy()
        self.size = size


def locate(ascending: U64, keys: U64) -> tuple[I64, Bools]:
    """For every key: (the first row of `ascending` that is not lower, whether that is the key).

    ascending: uint64[n]. keys: uint64[m], ascending too.
    """
    at, known = np.empty(len(keys), np.int64), np.empty(len(keys), bool)
    _gallop(read_only(ascending), len(ascending), read_only(keys), at, known)
    return at, known


@njit(cache=True, nogil=True, boundscheck=False)
def _gallop(keys: Any, size: Any, wanted: Any, at: Any, known: Any) -> None:
    """Each search begins where the one before ended and doubles its step: log of the distance, in order of memory."""
    low = 0
    for i in range(wanted.size):
        key = wanted[i]
        high, step = low, 1
        while high < size and keys[high] < key:
            low = high + 1
            high += step
            step += step
        high = min(high, size)
        while low < high:
            middle = (low + high) >> 1
            if keys[middle] < key:
                low = middle + 1
            else:
                high = middle
        at[i] = low
        known[i] = low < size and keys[low] == key


@intrinsic
def _memmove(_: Any, buffer: Any, to: Any, at: Any, rows: Any) -> Any:
    """C's `memmove` of rows of a buffer. It moves some 10 bytes in the time in which a loop of numba's moves one,
    since the loop must allow for rows that overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(buffer)(context, builder, arguments[0]).data  # type: ignore[no-untyped-call]
        target, source = (builder.gep(data, [row]) for row in arguments[1:3])
        size = context.get_abi_sizeof(context.get_data_type(buffer.dtype))
        raw_memmove(builder, target, source, arguments[3], size)  # type: ignore[no-untyped-call]
        return context.get_dummy_value()

    return types.void(buffer, types.int64, types.int64, types.int64), generate


@njit(cache=True, nogil=True, boundscheck=False)
def _open(buffer: Any, size: Any, at: Any) -> None:
    """Opens a gap of one row before each of the rows `at`."""
    end = size
    for i in range(at.size - 1, -1, -1):
        begin = at[i]
        if end - begin > _SHORT:
            _memmove(buffer, begin + i + 1, begin, end - begin)  # type: ignore[call-arg]
        else:
            for row in range(end - 1, begin - 1, -1):
                buffer[row + i + 1] = buffer[row]
        end = begin


@njit(cache=True, nogil=True, boundscheck=False)
def _close(buffer: Any, size: Any, gone: Any) -> None:
    """Closes the gaps of the rows `gone`, which ascend."""
    for i in range(gone.size):
        begin = gone[i] + 1
        end = gone[i + 1] if i + 1 < gone.size else size
        _memmove(buffer, begin - i - 1, begin, end - begin)  # type: ignore[call-arg]


@njit(cache=True, nogil=True, boundscheck=False)
def _pack(buffer: Any, mask: Any) -> None:
    """As `_close`, row by row: faster where many rows go."""
    to = 0
    for row in range(mask.size):
        buffer[to] = buffer[row]
        to += mask[row]

"""Looks up 64-bit keys in a sorted column, and makes the next version of the column.

Keys are hashes, so their high bits tell where they stand: `starts[b]` is the first row whose key's top bits are at
least b, and rows `starts[b]` to `starts[b + 1]` hold two keys on average. A lookup reads two neighbouring starts and
the few keys between them: at most two cache misses, however long the column, and the keys of one call do not wait for
each other. The starts cost 1.4 to 2.8 bytes a key. Keys that are no hashes may all share one bucket; a lookup is
right then too, but as slow as a binary search.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from contracts.arrays import I32, I64, U32, U64

KEY_BITS = 64
NO_ROW = -1
# At most; half of it at least. A bucket takes 4 bytes. With four keys a lookup that waits for memory is a third
# slower.
_KEYS_PER_BUCKET = 2.83
_RARE_SHIFT = np.uint64(32)
_AHEAD = 32  # keys whose buckets are read before the first of them is searched
_SCANNED = 16  # a bucket of at most so many keys is read key by key


class KeyIndex:
    """Rows of a column of keys: uint64[n], ascending, each once. The column must not change."""

    __slots__ = ("keys", "shift", "starts")

    def __init__(self, keys: U64) -> None:
        bits = max(1, int(len(keys) / _KEYS_PER_BUCKET).bit_length())
        self.keys = keys
        self.shift = np.uint64(KEY_BITS - bits)
        self.starts: U32 = np.empty((1 << bits) + 1, np.uint32)
        _fill_starts(keys, self.shift, self.starts)

    def rows(self, wanted: U64) -> I64:
        """The row of every key, -1 for one that is not in the column. uint64[n] -> int64[n]."""
        rows = np.empty(len(wanted), np.int64)
        _find_rows(self.keys, self.starts, self.shift, read_only(wanted), rows)
        return rows


def read_only(column: NDArray[Any]) -> NDArray[Any]:
    """The array as a contiguous read-only one: kernels are compiled for that one kind of argument."""
    column = np.ascontiguousarray(column).view()
    column.setflags(write=False)
    return column


def replace(
    index: KeyIndex, slots: I32, generations: U32, without: U64, added: tuple[U64, I32, U32]
) -> tuple[U64, I32, U32]:
    """(keys, slots, generations) without the rows of the keys `without`, and with the rows `added`; in order of key.

    Keys of `without` that are not there are ignored. The keys added ascend, and none of them is among those that
    stay.
    """
    rows = index.rows(without)
    gone = np.unique(rows[rows != NO_ROW])
    size = len(index.keys) - len(gone) + len(added[0])
    columns = np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(size, np.uint32)
    new_keys, new_slots, new_generations = (read_only(column) for column in added)
    _merge(index.keys, slots, generations, gone, new_keys, new_slots, new_generations, *columns)
    return columns


@njit(cache=True, nogil=True, boundscheck=False)
def _fill_starts(keys: Any, shift: Any, starts: Any) -> None:
    bucket = 0
    for row in range(keys.size):
        own = np.int64(keys[row] >> shift)
        while bucket <= own:
            starts[bucket] = row
            bucket += 1
    while bucket < starts.size:
        starts[bucket] = keys.size
        bucket += 1


@njit(cache=True, nogil=True, boundscheck=False)
def _find_row(keys: Any, starts: Any, shift: Any, key: Any) -> Any:
    """The row of one key, or -1."""
    bucket = key >> shift
    return _find_between(keys, np.int64(starts[bucket]), np.int64(starts[bucket + np.uint64(1)]), key)


@njit(cache=True, nogil=True, boundscheck=False, inline="always")
def _find_between(keys: Any, row: Any, end: Any, key: Any) -> Any:
    """The row of one key among [row, end), or -1."""
    while end - row > _SCANNED:
        middle = (row + end) >> 1
        if keys[middle] <= key:
            row = middle
        else:
            end = middle
    while row < end and keys[row] < key:
        row += 1
    if row < end and keys[row] == key:
        return row
    return NO_ROW


@njit(cache=True, nogil=True, boundscheck=False)
def _find_rows(keys: Any, starts: Any, shift: Any, wanted: Any, rows: Any) -> None:
    for i in range(wanted.size):
        rows[i] = _find_row(keys, starts, shift, wanted[i])


@njit(cache=True, nogil=True, boundscheck=False)
def slots_into(
    keys: Any,  # uint64[n]
    starts: Any,  # uint32[buckets + 1]
    shift: Any,  # uint64
    slots: Any,  # int32[n]
    wanted: Any,  # uint64[m]
    regions: Any,  # uint8[r], of runs of wanted keys
    ends: Any,  # int64[r], where each run ends; the last is m
    level_starts: Any,  # int64[regions + 1]
    levels: Any,  # uint64[levels, 4]
    found: Any,  # int32[m], filled
) -> Any:
    """The slot of every wanted key: its row's, or one that its region shares, as `SlotLayout.rare_slots_of` says.

    Whether a key is there is a branch that the processor cannot predict, and past a wrong guess it has read nothing
    ahead. So the buckets of `_AHEAD` keys are read first, without a branch. Returns what was read: otherwise the
    compiler would leave the reads out.
    """
    rows, row_ends = np.empty(_AHEAD, np.int64), np.empty(_AHEAD, np.int64)
    read, begin = np.uint64(0), 0
    for run in range(ends.size):
        first, end = level_starts[regions[run]], level_starts[regions[run] + 1]
        for block in range(begin, ends[run], _AHEAD):
            some = wanted[block : min(block + _AHEAD, ends[run])]
            for i in range(some.size):
                bucket = some[i] >> shift
                rows[i], row_ends[i] = starts[bucket], starts[bucket + np.uint64(1)]
            if keys.size:
                for i in range(some.size):
                    read ^= keys[min(rows[i], keys.size - 1)]
            for i in range(some.size):
                row = _find_between(keys, rows[i], row_ends[i], some[i])
                found[block + i] = slots[row] if row != NO_ROW else _shared_slot(some[i], first, end, levels)
        begin = ends[run]
    return read


@njit(cache=True, nogil=True, boundscheck=False, inline="always")
def _shared_slot(key: Any, first: Any, end: Any, levels: Any) -> Any:
    """The key's row in the newest level that takes it; the first level takes every key."""
    slot = np.uint64(0)
    for level in range(end - 1, first - 1, -1):
        drawn = ((key * levels[level, 3]) >> _RARE_SHIFT) % levels[level, 2]
        if drawn >= levels[level, 1]:
            slot = levels[level, 0] + drawn - levels[level, 1]
            break
    return slot


@njit(cache=True, nogil=True, boundscheck=False)
def _merge(
    keys: Any,
    slots: Any,
    generations: Any,
    gone: Any,  # int64[g], ascending: rows that are left out
    new_keys: Any,
    new_slots: Any,
    new_generations: Any,
    merged_keys: Any,
    merged_slots: Any,
    merged_generations: Any,
) -> None:
    """One pass over all of them."""
    row, new, left_out = 0, 0, 0
    for i in range(merged_keys.size):
        while left_out < gone.size and gone[left_out] == row:
            left_out += 1
            row += 1
        if new < new_keys.size and (row == keys.size or new_keys[new] < keys[row]):
            merged_keys[i] = new_keys[new]
            merged_slots[i] = new_slots[new]
            merged_generations[i] = new_generations[new]
            new += 1
        else:
            merged_keys[i] = keys[row]
            merged_slots[i] = slots[row]
            merged_generations[i] = generations[row]
            row += 1

"""Counts values in buckets, compiled: one dense table of 2^18 counts is reused for every column of every batch.

Each value is read once and adds one to an entry of the table. A bit per bucket marks the entries in use. So the cost
of reading the counts out depends on the number of occupied buckets, not on the size of the table.
`featurestore/bins/reference.py` does the same slowly.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from contracts.arrays import F32, I64
from featurestore.bins.sketch import BUCKET_BITS
from vocab.sorted_keys import read_only

_WORD = 64  # buckets marked in one word


class Histogram:
    """The table: 1 MiB of counts and 32 KiB of marks, all zero between calls. Not thread-safe."""

    def __init__(self) -> None:
        self._counts = np.zeros(1 << BUCKET_BITS, np.int32)
        self._marks = np.zeros((1 << BUCKET_BITS) // _WORD, np.uint64)

    def tally(self, dense: F32, rows: I64, numbers: NDArray[np.integer[Any]]) -> tuple[I64, I64]:
        """(codes, counts), int64[k]: how many values in `rows` of `dense` fall into each bucket; NaN falls into none.

        dense: float32[n, d], whose columns are the features `numbers`, ascending. rows: int64[m], fewer than 2^31. A
        code is feature number << BUCKET_BITS | bucket; codes ascend.
        """
        capacity = len(numbers) * min(len(rows), 1 << BUCKET_BITS)
        codes, counts = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
        used = _tally(
            read_only(np.asarray(dense, np.float32)).view(np.uint32),
            rows,
            np.asarray(numbers, np.int64),
            self._counts,
            self._marks,
            codes,
            counts,
        )
        return codes[:used].copy(), counts[:used].copy()


@njit(cache=True, nogil=True, boundscheck=False)
def _tally(
    bits: Any,  # uint32[n, d]: float32 values as they lie in memory
    rows: Any,  # int64[m]
    numbers: Any,  # int64[d]
    table: Any,  # int32[2^18], zero before and after
    marks: Any,  # uint64[2^12], zero before and after
    codes: Any,  # int64[capacity]: out
    counts: Any,  # int64[capacity]: out
) -> int:
    dropped = np.uint32(32 - BUCKET_BITS)
    magnitude, infinity, sign = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000), np.uint32(0x80000000)
    used = 0
    for column in range(numbers.size):
        for row in rows:
            value = bits[row, column]
            if value & magnitude > infinity:  # NaN
                continue
            if value == sign:  # -0.0
                value = np.uint32(0)
            # Flip all bits of a negative number and only the sign of others: then the bits ascend as values do.
            flip = np.uint32(np.int32(value) >> 31) | sign
            bucket = (value ^ flip) >> dropped
            before = table[bucket]
            if before == 0:
                marks[bucket >> np.uint32(6)] |= np.uint64(1) << np.uint64(bucket & np.uint32(63))
            table[bucket] = before + 1
        for word in range(marks.size):
            taken = marks[word]
            if taken == 0:
                continue
            marks[word] = 0
            for bit in range(64):
                if (taken >> np.uint64(bit)) & np.uint64(1):
                    bucket_number = word * 64 + bit
                    codes[used] = (numbers[column] << BUCKET_BITS) | bucket_number
                    counts[used] = table[bucket_number]
                    table[bucket_number] = 0
                    used += 1
    return used

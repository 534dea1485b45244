"""What the kernels read: n bags of rows of a table, end to end."""

from typing import NamedTuple

import numpy as np

from contracts.arrays import F32, I32, I64
from featurestore.encoding.encode import Slots


class Bags(NamedTuple):
    """Bag i is `rows[offsets[i]:offsets[i + 1]]`. Empty `values`: every row counts 1, and nobody writes out ones."""

    offsets: I64  # [n + 1], from 0
    rows: I32  # [offsets[n]]
    values: F32  # [offsets[n]], what each row counts for; or [0]

    @staticmethod
    def of(slots: Slots) -> "Bags":
        """The bags of one split."""
        values = np.empty(0, np.float32) if slots.values is None else slots.values
        return Bags(slots.offsets, slots.slots, values)

    @staticmethod
    def of_matrix(rows: I32) -> "Bags":
        """A matrix of rows [n, k] as n bags of k."""
        offsets = np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1]
        return Bags(offsets, np.ascontiguousarray(rows).reshape(-1), np.empty(0, np.float32))

    def cut(self, begin: int, end: int) -> "Bags":
        """The bags begin..end; rows and values are views."""
        offsets = self.offsets[begin : end + 1]
        first, last = offsets[0], offsets[-1]
        return Bags(offsets - first, self.rows[first:last], self.values[first:last])

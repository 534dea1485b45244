"""The newest tweets in a ring buffer, looked up by id, with the hidden columns that their probability depends on."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import I64


class RecentTweets:
    """Up to `capacity` tweets in order of time. `columns`: names and dtypes of the hidden columns."""

    def __init__(self, capacity: int, columns: Mapping[str, type[np.generic]]) -> None:
        self.capacity = capacity
        # Number of tweets ever added. Tweet number i is in row i % capacity.
        self.end = 0
        self.ids = np.zeros(capacity, np.int64)
        self.created = np.zeros(capacity, np.int64)
        self.columns = {name: np.zeros(capacity, dtype) for name, dtype in columns.items()}
        self._number: dict[int, int] = {}

    @property
    def begin(self) -> int:
        """The number of the oldest tweet still held."""
        return max(0, self.end - self.capacity)

    def add(self, ids: I64, created: I64, **columns: NDArray[np.generic]) -> None:
        """Append n tweets, int64[n] each, in order of time; the oldest ones are overwritten."""
        rows = np.arange(self.end, self.end + len(ids)) % self.capacity
        for old in self.ids[rows[max(0, self.capacity - self.end) :]].tolist():
            self._number.pop(old, None)
        self.ids[rows], self.created[rows] = ids, created
        for name, values in columns.items():
            self.columns[name][rows] = values
        self._number.update(zip(ids.tolist(), range(self.end, self.end + len(ids)), strict=True))
        self.end += len(ids)

    def rows_of(self, ids: I64) -> I64:
        """int64[n], the row of each id; -1 for a tweet that is not held."""
        numbers = np.fromiter((self._number.get(i, -1) for i in ids.tolist()), np.int64, len(ids))
        return np.where(numbers < 0, -1, numbers % self.capacity)

    def number_at(self, at_ms: int) -> int:
        """The number of the oldest tweet held that was created at `at_ms` or later."""
        low, high = self.begin, self.end
        while low < high:
            middle = (low + high) // 2
            if self.created[middle % self.capacity] < at_ms:
                low = middle + 1
            else:
                high = middle
        return low

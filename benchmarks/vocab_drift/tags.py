"""The new hashtags of each month, the most frequent of them, and when their exact counts reached the threshold."""

import numpy as np

from benchmarks.vocab_drift.exact import Column, ExactCounter, Observed
from contracts.arrays import I64, Bools

TOP = 100


class NewHashtags:
    """Finds new hashtags. A hashtag is *new* in the month of its first occurrence. Columns are by key number."""

    def __init__(self, exact: ExactCounter) -> None:
        self._exact = exact
        self._first_month = Column(np.int32)  # -1 for keys that are not hashtags
        self._month_count = Column(np.int32)  # occurrences in that month
        self._crossed_at = Column(np.int64)
        self._crossed_in = Column(np.int64)

    @property
    def crossed_at(self) -> I64:
        """int64, the time stamp (ms) of the occurrence that reached the threshold; -1 if not in the first month."""
        return self._crossed_at.values

    @property
    def crossed_in(self) -> I64:
        """int64, the window of that occurrence; -1 if not in the first month."""
        return self._crossed_in.values

    def add_keys(self, hashtags: Bools, month: int) -> None:
        """Add newly numbered keys. hashtags: bool[n], whether each is a hashtag."""
        self._first_month.extend(np.where(hashtags, month, -1))
        for column, value in ((self._month_count, 0), (self._crossed_at, -1), (self._crossed_in, -1)):
            column.fill_to(len(self._first_month.values), value)

    def observe(self, observed: Observed, window: int, month: int, rows: I64, times: I64) -> I64:
        """Count a window. Returns the new hashtags whose counts reach the threshold in it for the first time.

        rows, times: int64[t], the key and the time stamp (ms) of every occurrence in the window, in order of time.
        """
        new = self._first_month.values[observed.rows] == month
        self._month_count.values[observed.rows[new]] += observed.occurrences[new].astype(np.int32)
        threshold = self._exact.admit_at
        reached = new & (observed.before < threshold) & (observed.after >= threshold)
        reached &= self.crossed_in[observed.rows] < 0
        for row, before in zip(observed.rows[reached].tolist(), observed.before[reached].tolist(), strict=True):
            needed = int(np.ceil(threshold - before))
            self.crossed_at[row] = times[rows == row][needed - 1]
            self.crossed_in[row] = window
        crossed: I64 = observed.rows[reached]
        return crossed

    def top(self, month: int) -> I64:
        """The month's `TOP` (or fewer) new hashtags with the most occurrences in it; ties by lowest key."""
        new = np.flatnonzero(self._first_month.values == month)
        order = np.lexsort((self._exact.keys.keys[new], -self._month_count.values[new]))
        top: I64 = new[order[:TOP]]
        return top

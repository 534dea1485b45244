"""The interface of the methods of the study: ways to assign rows of a table to keys."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.vocab_drift.exact import Column, Observed
from contracts.arrays import F64, I64, U64, Bools


@dataclass(frozen=True, slots=True)
class Sharing:
    """How n live keys share rows with other keys.

    own: bool[n], the key has a row that is assigned to no other key. alone: bool[n], no other live key has the same
    row (or pair of rows). each_alone: bool[n], no other live key is in its row (in either of its rows). others:
    float64[n], the number of other live keys in its row (mean over its rows). clean: bool[n], no other key, live or
    dead, has ever used its row (or either of its rows), or the row was reset when the key got it.
    """

    own: Bools
    alone: Bools
    each_alone: Bools
    others: F64
    clean: Bools


class Admissions:
    """Records when keys are admitted and evicted.

    admitted, early, brief: the number of admissions, of those below the threshold, and of those evicted within
    `brief_windows`; each for hashtags (0) and for all keys (1).
    """

    def __init__(self, brief_windows: int) -> None:
        self._brief_windows = brief_windows
        self._first = Column(np.int64)
        self._since = Column(np.int64)
        self._tags = Column(np.bool_)
        self.admitted, self.early, self.brief = [0, 0], [0, 0], [0, 0]

    @property
    def first(self) -> I64:
        """int64 by key number, the version of a key's first admission, -1 for none."""
        return self._first.values

    def add_keys(self, hashtags: Bools) -> None:
        """Add newly numbered keys. hashtags: bool[n], whether each is a hashtag."""
        self._tags.extend(hashtags)
        self._first.fill_to(len(self._tags.values), -1)
        self._since.fill_to(len(self._tags.values), -1)

    def admit(self, keys: I64, version: int, early: Bools) -> None:
        """Record that distinct keys get a row. early: bool[n], the exact count has not reached the threshold."""
        self.first[keys[self.first[keys] < 0]] = version
        self._since.values[keys] = version
        self._count(self.admitted, keys)
        self._count(self.early, keys[early])

    def evict(self, keys: I64, version: int | I64) -> None:
        """Record that keys lose their rows, all at one version or each at its own."""
        self._count(self.brief, keys[version - self._since.values[keys] <= self._brief_windows])

    def _count(self, counters: list[int], keys: I64) -> None:
        counters[0] += int(np.count_nonzero(self._tags.values[keys]))
        counters[1] += len(keys)


class Method(Protocol):
    """A way to assign rows to keys.

    capacity: most keys with a row of their own, None for unbounded. rows: number of rows of the table. most_admitted:
    the most keys that had their own row at a time. admissions: None if no key is admitted after the start.
    """

    name: str
    capacity: int | None
    rows: int
    most_admitted: int
    admissions: Admissions | None

    def add_keys(self, keys: U64) -> None:
        """Add new keys, in the order of their numbers."""

    def update(self, observed: Observed) -> None:
        """Update which keys are live."""

    def sharing(self, keys: I64) -> Sharing:
        """How these live keys share rows."""

    def memory(self) -> tuple[int, int]:
        """(bytes of the counting state, bytes of the table in which keys are looked up)."""

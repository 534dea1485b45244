"""What every way of giving keys rows has to answer, so that the study can ask all of them alike."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.vocab_drift.exact import Column, Observed

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sharing:
    """How n live keys stand in a table.

    own: bool[n], has a row that no other key is given. alone: bool[n], no other live key has the same row (or the
    same pair of rows). each_alone: bool[n], no other live key is in its row (in either of its rows). others:
    float64[n], other live keys in its row (mean over its rows). clean: bool[n], no other key, live or dead, has ever
    used its row (or either of its rows), or the row was reset when it was given to the key.
    """

    own: Bools
    alone: Bools
    each_alone: Bools
    others: NDArray[np.float64]
    clean: Bools


class Admissions:
    """When keys were admitted and evicted. `first`: int64 by number, a key's first version, -1 for none.

    `admitted`, `early` and `brief` count hashtags (0) and all keys (1): admissions, those below the threshold, and
    those that were taken back within `brief_windows`.
    """

    def __init__(self, brief_windows: int) -> None:
        self._brief_windows = brief_windows
        self._first = Column(np.int64)
        self._since = Column(np.int64)
        self._tags = Column(np.bool_)
        self.admitted, self.early, self.brief = [0, 0], [0, 0], [0, 0]

    @property
    def first(self) -> I64:
        """int64 by number: the version of a key's first admission, -1 for none."""
        return self._first.values

    def add_keys(self, hashtags: Bools) -> None:
        """The keys that were numbered since: whether they are hashtags."""
        self._tags.extend(hashtags)
        self._first.fill_to(len(self._tags.values), -1)
        self._since.fill_to(len(self._tags.values), -1)

    def admit(self, keys: I64, version: int, early: Bools) -> None:
        """Distinct keys get a row. early: bool[n], their exact counts have not reached the threshold."""
        self.first[keys[self.first[keys] < 0]] = version
        self._since.values[keys] = version
        self._count(self.admitted, keys)
        self._count(self.early, keys[early])

    def evict(self, keys: I64, version: int | I64) -> None:
        """Keys lose their rows at a version, or each at one of its own."""
        self._count(self.brief, keys[version - self._since.values[keys] <= self._brief_windows])

    def _count(self, counters: list[int], keys: I64) -> None:
        counters[0] += int(np.count_nonzero(self._tags.values[keys]))
        counters[1] += len(keys)


class Method(Protocol):
    """A way to give keys rows.

    capacity: keys with a row of their own at most, None for no bound; rows: of the table; most_admitted: the most
    keys that had rows of their own at a time. admissions: None where nothing is admitted after the start.
    """

    name: str
    capacity: int | None
    rows: int
    most_admitted: int
    admissions: Admissions | None

    def add_keys(self, keys: U64) -> None:
        """New keys, in the order of their numbers."""

    def update(self, observed: Observed) -> None:
        """Who is live now."""

    def sharing(self, keys: I64) -> Sharing:
        """How these live keys stand."""

    def memory(self) -> tuple[int, int]:
        """(bytes of what counts, bytes of the table that keys are looked up in)."""

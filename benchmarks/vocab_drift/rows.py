"""Who shares a row with whom: the ways to give keys rows of one table, with the live keys that stand in each.

Every way is asked alike: in which row is a key, and how many other live keys are in it. `exact.py` says
which keys are live, and numbers them; keys are those numbers here.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.vocab_drift.exact import Column, KeyTable, Observed
from benchmarks.vocab_drift.method import Method, Sharing
from contracts.settings import VocabSettings
from vocab.slot_layout import Layout

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
Bools = NDArray[np.bool_]


class Rows:
    """The row of every key, and the number of live keys in every row. `places` rows of each key are in one table."""

    def __init__(self, places: int = 1) -> None:
        self._row_of = [Column(np.int64) for _ in range(places)]
        self._live_in = Column(np.int32)
        self._ever_in = Column(np.int32)  # keys that the row was the first row of

    def add_keys(self, *rows: I64) -> None:
        """The rows, by place, of the keys that were numbered since."""
        for column, new in zip(self._row_of, rows, strict=True):
            column.extend(new)
            self._make_room(new)
            np.add.at(self._ever_in.values, new, 1)

    def update(self, observed: Observed) -> None:
        """Keys that became live come in, and those that ceased to be go."""
        for row_of in self._row_of:
            np.subtract.at(self._live_in.values, row_of.values[observed.died], 1)
            np.add.at(self._live_in.values, row_of.values[observed.born], 1)

    def move(self, keys: I64, rows: I64, live: Bools) -> None:
        """Gives distinct keys other rows (in their first place). live: bool, of all keys."""
        self._make_room(rows)
        row_of, moved = self._row_of[0].values, live[keys]
        np.subtract.at(self._live_in.values, row_of[keys[moved]], 1)
        np.add.at(self._live_in.values, rows[moved], 1)
        row_of[keys] = rows

    def others(self, keys: I64, place: int = 0) -> I32:
        """How many other live keys stand in the row of each of these live keys."""
        counts: I32 = self._live_in.values[self._row_of[place].values[keys]] - 1
        return counts

    def unused_by_others(self, keys: I64, place: int = 0) -> Bools:
        """Whether no other key, live or dead, began in the row of each of these keys, which began there itself."""
        unused: Bools = self._ever_in.values[self._row_of[place].values[keys]] == 1
        return unused

    def _make_room(self, rows: I64) -> None:
        size = int(rows.max(initial=-1)) + 1
        for column in (self._live_in, self._ever_in):
            column.fill_to(size, 0)


class Hashing(Method):
    """A key's row is its hash modulo the number of rows."""

    def __init__(self, settings: VocabSettings) -> None:
        layout = Layout.of(settings)
        self.name, self.capacity, self.rows = "hash", layout.capacity, layout.num_slots
        self.admissions, self.most_admitted = None, 0
        self._num_rows = np.uint64(self.rows)
        self._rows = Rows()

    def add_keys(self, keys: U64) -> None:
        """New keys, in the order of their numbers."""
        self._rows.add_keys((keys % self._num_rows).astype(np.int64))

    def update(self, observed: Observed) -> None:
        """Who is live now."""
        self._rows.update(observed)

    def sharing(self, keys: I64) -> Sharing:
        """Of live keys."""
        others = self._rows.others(keys)
        clean = self._rows.unused_by_others(keys)
        return Sharing(np.zeros(len(keys), bool), others == 0, others == 0, others.astype(np.float64), clean)

    def memory(self) -> tuple[int, int]:
        """Nothing."""
        return 0, 0


class TwoHashes(Method):
    """A key is the sum of two distinct rows of one table, each by a hash of its own."""

    def __init__(self, settings: VocabSettings) -> None:
        layout = Layout.of(settings)
        self.name, self.capacity, self.rows = "two hashes", layout.capacity, layout.num_slots
        self.admissions, self.most_admitted = None, 0
        self._rows = Rows(places=2)
        self._pairs = Rows()
        self._numbered_pairs = KeyTable()

    def add_keys(self, keys: U64) -> None:
        """New keys, in the order of their numbers."""
        first = keys % np.uint64(self.rows)
        step = _mix(keys) % np.uint64(self.rows - 1) + np.uint64(1)
        second = (first + step) % np.uint64(self.rows)
        self._rows.add_keys(first.astype(np.int64), second.astype(np.int64))
        low, high = np.minimum(first, second), np.maximum(first, second)
        self._pairs.add_keys(self._numbered_pairs.number(low * np.uint64(self.rows) + high))

    def update(self, observed: Observed) -> None:
        """Who is live now."""
        self._rows.update(observed)
        self._pairs.update(observed)

    def sharing(self, keys: I64) -> Sharing:
        """Of live keys."""
        first, second = self._rows.others(keys, 0), self._rows.others(keys, 1)
        return Sharing(
            own=np.zeros(len(keys), bool),
            alone=self._pairs.others(keys) == 0,
            each_alone=(first == 0) & (second == 0),
            others=(first + second) / 2,
            clean=self._rows.unused_by_others(keys, 0) & self._rows.unused_by_others(keys, 1),
        )

    def memory(self) -> tuple[int, int]:
        """Nothing."""
        return 0, 0


def _mix(keys: U64) -> U64:
    """The finalizer of splitmix64 (Steele et al. 2014): a hash of the keys that is independent of `keys % n`."""
    mixed = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))

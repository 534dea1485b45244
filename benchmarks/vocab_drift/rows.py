"""Rows of a table and the live keys in each, and the two methods that hash keys into rows.

Keys are given by their numbers; `exact.py` numbers them and says which are live.
"""

import numpy as np

from benchmarks.vocab_drift.exact import Column, KeyTable, Observed
from benchmarks.vocab_drift.method import Method, Sharing
from contracts.arrays import I32, I64, U64, Bools
from contracts.settings import VocabSettings
from vocab.slot_layout import SlotLayout


class Rows:
    """The row of every key, and the number of live keys in every row. places: how many rows each key has."""

    def __init__(self, places: int = 1) -> None:
        self._row_of = [Column(np.int64) for _ in range(places)]
        self._live_in = Column(np.int32)
        self._ever_in = Column(np.int32)  # how many keys had the row as their first row

    def add_keys(self, *rows: I64) -> None:
        """Add newly numbered keys. rows: for each place, the row of each key."""
        for column, new in zip(self._row_of, rows, strict=True):
            column.extend(new)
            self._make_room(new)
            np.add.at(self._ever_in.values, new, 1)

    def update(self, observed: Observed) -> None:
        """Add keys that became live to their rows, and remove those no longer live."""
        for row_of in self._row_of:
            np.subtract.at(self._live_in.values, row_of.values[observed.died], 1)
            np.add.at(self._live_in.values, row_of.values[observed.born], 1)

    def move(self, keys: I64, rows: I64, live: Bools) -> None:
        """Move distinct keys to other rows (first place). live: bool, for all keys."""
        self._make_room(rows)
        row_of, moved = self._row_of[0].values, live[keys]
        np.subtract.at(self._live_in.values, row_of[keys[moved]], 1)
        np.add.at(self._live_in.values, rows[moved], 1)
        row_of[keys] = rows

    def others(self, keys: I64, place: int = 0) -> I32:
        """int32[n], the number of other live keys in the row of each of these live keys."""
        counts: I32 = self._live_in.values[self._row_of[place].values[keys]] - 1
        return counts

    def unused_by_others(self, keys: I64, place: int = 0) -> Bools:
        """bool[n], whether no other key, live or dead, started in the row in which each of these keys started."""
        unused: Bools = self._ever_in.values[self._row_of[place].values[keys]] == 1
        return unused

    def _make_room(self, rows: I64) -> None:
        size = int(rows.max(initial=-1)) + 1
        for column in (self._live_in, self._ever_in):
            column.fill_to(size, 0)


class Hashing(Method):
    """A key's row is its hash modulo the number of rows."""

    def __init__(self, settings: VocabSettings) -> None:
        layout = SlotLayout.of(settings)
        self.name, self.capacity, self.rows = "hash", layout.capacity, layout.num_slots
        self.admissions, self.most_admitted = None, 0
        self._num_rows = np.uint64(self.rows)
        self._rows = Rows()

    def add_keys(self, keys: U64) -> None:
        """Add new keys, in the order of their numbers."""
        self._rows.add_keys((keys % self._num_rows).astype(np.int64))

    def update(self, observed: Observed) -> None:
        """Update which keys are live."""
        self._rows.update(observed)

    def sharing(self, keys: I64) -> Sharing:
        """How these live keys share rows."""
        others = self._rows.others(keys)
        clean = self._rows.unused_by_others(keys)
        return Sharing(np.zeros(len(keys), bool), others == 0, others == 0, others.astype(np.float64), clean)

    def memory(self) -> tuple[int, int]:
        """Zero: hashing keeps no state."""
        return 0, 0


class TwoHashes(Method):
    """A key's embedding is the sum of two distinct rows of one table, each chosen by its own hash."""

    def __init__(self, settings: VocabSettings) -> None:
        layout = SlotLayout.of(settings)
        self.name, self.capacity, self.rows = "two hashes", layout.capacity, layout.num_slots
        self.admissions, self.most_admitted = None, 0
        self._rows = Rows(places=2)
        self._pairs = Rows()
        self._numbered_pairs = KeyTable()

    def add_keys(self, keys: U64) -> None:
        """Add new keys, in the order of their numbers."""
        first = keys % np.uint64(self.rows)
        step = _mix(keys) % np.uint64(self.rows - 1) + np.uint64(1)
        second = (first + step) % np.uint64(self.rows)
        self._rows.add_keys(first.astype(np.int64), second.astype(np.int64))
        low, high = np.minimum(first, second), np.maximum(first, second)
        self._pairs.add_keys(self._numbered_pairs.number(low * np.uint64(self.rows) + high))

    def update(self, observed: Observed) -> None:
        """Update which keys are live."""
        self._rows.update(observed)
        self._pairs.update(observed)

    def sharing(self, keys: I64) -> Sharing:
        """How these live keys share rows."""
        first, second = self._rows.others(keys, 0), self._rows.others(keys, 1)
        return Sharing(
            own=np.zeros(len(keys), bool),
            alone=self._pairs.others(keys) == 0,
            each_alone=(first == 0) & (second == 0),
            others=(first + second) / 2,
            clean=self._rows.unused_by_others(keys, 0) & self._rows.unused_by_others(keys, 1),
        )

    def memory(self) -> tuple[int, int]:
        """Zero: hashing keeps no state."""
        return 0, 0


def _mix(keys: U64) -> U64:
    """The finalizer of splitmix64 (Steele et al. 2014): a hash of the keys that is independent of `keys % n`."""
    mixed = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))

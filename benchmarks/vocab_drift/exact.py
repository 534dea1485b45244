"""The exact counter of the drift study: the decayed count of every key that ever occurred.

It shares no code with `vocab/`: it counts in float64, with decay over the time since a key's last occurrence,

    count(w) = count(last) * 2^(-(w - last) / half_life) + occurrences in w,   half_life in windows.

A key is *live* while its count at the close of a window is at least `evict_below`; so every key that occurs is live
for at least one window. Windows without occurrences close too. A live key is *admitted* from the window in which its
count reaches `admit_at` until it is no longer live.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from contracts.arrays import F64, I64, U64, Bools

_EMPTY = -1


class Column:
    """A growing array. `values` is its filled part: read it again after `fill_to` or `extend`."""

    def __init__(self, dtype: Any) -> None:
        self._room = np.empty(1024, dtype)
        self.values = self._room[:0]

    def extend(self, more: NDArray[Any]) -> None:
        """Append elements."""
        former, size = len(self.values), len(self.values) + len(more)
        if size > len(self._room):
            grown = np.empty(2 * size, self._room.dtype)
            grown[:former] = self.values
            self._room = grown
        self._room[former:size] = more
        self.values = self._room[:size]

    def fill_to(self, size: int, value: float) -> None:
        """Append `value` until there are `size` elements."""
        if size > len(self.values):
            self.extend(np.full(size - len(self.values), value, self._room.dtype))

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return self._room.nbytes


class KeyTable:
    """A hash table that numbers distinct keys 0, 1, 2, ... by first occurrence; linear probing, at most half full."""

    def __init__(self) -> None:
        self._places = np.full(1 << 12, _EMPTY, np.int32)
        self._keys = Column(np.uint64)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def keys(self) -> U64:
        """uint64[n], the key of each number."""
        return self._keys.values

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return self._places.nbytes + self._keys.nbytes

    def number(self, keys: U64) -> I64:
        """int64[n], the numbers of keys uint64[n]; a new key gets the next number."""
        if 2 * (len(self) + len(keys)) > len(self._places):
            room = 1 << (2 * (len(self) + len(keys))).bit_length()
            self._places = np.full(room, _EMPTY, np.int32)
            _place(self._places, self.keys, 0, self.keys, np.empty(len(self), np.int64))
        numbers = np.empty(len(keys), np.int64)
        fresh = _place(self._places, self.keys, len(self), keys, numbers)
        self._keys.extend(keys[fresh])
        return numbers


@njit(cache=True)  # type: ignore[misc, unused-ignore]
def _place(places: Any, known: Any, size: int, keys: Any, numbers: Any) -> Any:
    """Fill the `numbers` of `keys`; return bool[n], which were new. known: the keys of the numbers below `size`."""
    mask = len(places) - 1
    fresh = np.zeros(len(keys), np.bool_)
    added = np.empty(len(keys), np.uint64)
    first = size
    for i in range(len(keys)):
        key = keys[i]
        at = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & mask
        while places[at] >= 0:
            number = places[at]
            if (known[number] if number < first else added[number - first]) == key:
                break
            at = (at + 1) & mask
        if places[at] < 0:
            places[at] = size
            added[size - first] = key
            fresh[i] = True
            size += 1
        numbers[i] = places[at]
    return fresh


@dataclass(frozen=True, slots=True)
class Observed:
    """What happened in one window. Keys are given by their numbers, int64.

    rows: int64[n], the window's keys. occurrences: int64[n]. before, after: float64[n], their counts decayed to the
    window, without and with its occurrences. born: keys that became live. died: keys no longer live. evicted,
    evicted_at: the admitted ones among `died`, and the window of their eviction.
    """

    rows: I64
    occurrences: I64
    before: F64
    after: F64
    born: I64
    died: I64
    evicted: I64
    evicted_at: I64


class ExactCounter:
    """Counts every key exactly. `keys` numbers the keys; columns are indexed by number."""

    def __init__(self, admit_at: float, evict_below: float, half_life_windows: float) -> None:
        self.keys = KeyTable()
        self.admit_at = admit_at
        self._evict_below = evict_below
        self._half_life = half_life_windows
        self._counts = Column(np.float64)
        self._last = Column(np.int64)
        self._live_until = Column(np.int64)  # the last window in which the key is live
        self._live = Column(np.bool_)
        self._admitted = Column(np.bool_)
        self.live_rows = np.empty(0, np.int64)

    @property
    def live(self) -> Bools:
        """bool[n], whether each key is live."""
        return self._live.values

    @property
    def admitted(self) -> Bools:
        """bool[n], whether each key is admitted."""
        return self._admitted.values

    @property
    def nbytes(self) -> int:
        """Bytes of all columns and the table, spare room included."""
        columns = (self._counts, self._last, self._live_until, self._live, self._admitted)
        return self.keys.nbytes + self.live_rows.nbytes + sum(column.nbytes for column in columns)

    def counts_at(self, rows: I64, window: int) -> F64:
        """float64[n], the counts of keys int64[n], decayed to a window not before the last one observed."""
        counts: F64 = self._counts.values[rows] * np.exp2((self._last.values[rows] - window) / self._half_life)
        return counts

    def observe(self, window: int, keys: U64, occurrences: I64) -> Observed:
        """Count a window's occurrences. keys: distinct, uint64[n]. Windows ascend; empty ones are left out."""
        rows = self.keys.number(keys)
        for column in (self._counts, self._last, self._live_until, self._live, self._admitted):
            column.fill_to(len(self.keys), 0)
        live, live_until = self._live.values, self._live_until.values
        # These keys occur again before a window closes with their count below the threshold.
        live_until[rows[live_until[rows] == window - 1]] = window
        stays = live_until[self.live_rows] >= window
        died = self.live_rows[~stays]
        evicted = died[self.admitted[died]]
        evicted_at = live_until[evicted] + 1
        live[died] = self.admitted[died] = False
        born = rows[~live[rows]]
        live[born] = True
        self.live_rows = np.concatenate([self.live_rows[stays], born])
        before = self.counts_at(rows, window)
        after = before + occurrences
        self._counts.values[rows] = after
        self._last.values[rows] = window
        live_until[rows] = window + np.floor(self._half_life * np.log2(after / self._evict_below)).astype(np.int64)
        return Observed(rows, occurrences, before, after, born, died, evicted, evicted_at)

    def admit(self, observed: Observed) -> I64:
        """Close the window: admit its keys that reached the threshold, and return them."""
        fresh = observed.rows[(observed.after >= self.admit_at) & ~self.admitted[observed.rows]]
        self.admitted[fresh] = True
        return fresh

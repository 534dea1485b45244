"""The keys that an owner counts, as columns in ascending order of key (so: shard after shard).

Counting is bounded: after each decision a shard keeps its admitted keys and `kept` others (`rules.Rules`). A key that
is dropped starts again from zero. So a count never overstates, but for rounding. It understates by what the key had
each time it was dropped; the keys without a slot that were kept then had at least as much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from contracts.arrays import I32, I64, U8, U32, U64, Bools
from vocab.decay import FRACTION_BITS, MAX_COUNT
from vocab.keys import shard_shift
from vocab.owner.admit_and_evict import NO_SLOT
from vocab.rules import Rules, by_kind
from vocab.sorted_columns import SortedColumns

MAX_WINDOW = (1 << 32) - 1  # a window of a second reaches it in 2106
_BITS = np.uint64(FRACTION_BITS)
_LOW = np.uint64((1 << FRACTION_BITS) - 1)
_HALF = np.uint64(1 << (FRACTION_BITS - 1))
_MAX = np.uint64(MAX_COUNT)


@dataclass(frozen=True, slots=True)
class Survey:
    """moving: bool[groups], whether a key of the group may come or go by its own count or silence; a group is
    shard * namespaces + namespace. spent: bool[n], which keys have no slot and a count of 0.
    """

    moving: Bools
    spent: Bools


class TrackedKeys(SortedColumns):
    """The columns below, of n keys: 29 bytes a key. `add` and `keep` may replace the arrays."""

    __slots__ = ()

    def __init__(
        self, *, keys: U64, namespaces: U8, counts: U64, first_seen: U32, last_seen: U32, slots: I32
    ) -> None:
        super().__init__(
            {
                "keys": keys,
                "namespaces": namespaces,
                "counts": counts,
                "first_seen": first_seen,
                "last_seen": last_seen,
                "slots": slots,
            }
        )

    @staticmethod
    def none() -> "TrackedKeys":
        """No keys."""
        return TrackedKeys(
            keys=np.empty(0, np.uint64),
            namespaces=np.empty(0, np.uint8),
            counts=np.empty(0, np.uint64),
            first_seen=np.empty(0, np.uint32),
            last_seen=np.empty(0, np.uint32),
            slots=np.empty(0, np.int32),
        )

    @property
    def keys(self) -> U64:
        """uint64[n], ascending."""
        return self.column("keys")

    @property
    def namespaces(self) -> U8:
        """uint8[n], `Namespace`."""
        return self.column("namespaces")

    @property
    def counts(self) -> U64:
        """uint64[n], decayed occurrences in units of 2^-32."""
        return self.column("counts")

    @property
    def first_seen(self) -> U32:
        """uint32[n], windows."""
        return self.column("first_seen")

    @property
    def last_seen(self) -> U32:
        """uint32[n], windows."""
        return self.column("last_seen")

    @property
    def slots(self) -> I32:
        """int32[n], -1 = none."""
        return self.column("slots")

    def fade(self, left: U64) -> None:
        """Applies decay. left: uint64[namespaces], what `decay.factor` gives for each namespace, by its number."""
        _fade(self.counts, self.namespaces, left)

    def add(self, keys: U64, namespaces: U8, occurrences: U64, window: int) -> None:
        """Counts occurrences of a window. keys: ascending, each once."""
        at, known = self.locate(keys)
        fresh = ~known
        self.insert(
            at[fresh],
            {
                "keys": keys[fresh],
                "namespaces": namespaces[fresh],
                "counts": np.uint64(0),
                "first_seen": window,
                "last_seen": window,
                "slots": NO_SLOT,
            },
        )
        rows = at + np.cumsum(fresh) - fresh  # each fresh row before a key has moved it by one
        _add(self.counts, rows, occurrences)
        self.last_seen[rows] = window

    def survey(self, left: U64, shards: int, window: int, rules: Sequence[Rules]) -> Survey:
        """Applies decay as `fade` does and surveys all keys for the decision of `window`, in one pass.

        shards: how many there are. rules: by namespace.
        """
        found = Survey(np.zeros(shards * len(rules), bool), np.zeros(self.size, bool))
        _survey(
            self.keys,
            self.namespaces,
            self.counts,
            self.last_seen,
            self.slots,
            left,
            np.uint64(shard_shift(shards)),
            window,
            by_kind(rules, "idle_windows", np.int64),
            by_kind(rules, "admit_at", np.uint64),
            by_kind(rules, "evict_below", np.uint64),
            found.moving,
            found.spent,
        )
        return found

    def crowded(self, shards: int, rules: Sequence[Rules]) -> tuple[Bools, Bools]:
        """bool[groups] each: (whether a group has more keys without a slot than are kept, or more with one than a
        shard has slots)."""
        sizes = np.zeros((shards * len(rules), 2), np.int64)
        _count(self.keys, self.namespaces, self.slots, np.uint64(shard_shift(shards)), len(rules), sizes)
        kept, slots = (np.tile(by_kind(rules, field, np.int64), shards) for field in ("kept", "per_shard"))
        return sizes[:, 0] > kept, sizes[:, 1] > slots

    def silent(self, rows: I64, window: int, idle_windows: int) -> Bools:
        """Which of these rows were not seen in the last `idle_windows` windows. int64[m] -> bool[m]."""
        silent: Bools = window - self.last_seen[rows].astype(np.int64) >= idle_windows
        return silent

    def bounds(self, of: list[int], shards: int) -> list[tuple[int, int]]:
        """(first row, row past the last) of each shard in `of`. shards: how many there are."""
        shift = shard_shift(shards)
        firsts = np.array([shard << shift for shard in of], np.uint64)
        lasts = np.array([((shard + 1) << shift) - 1 for shard in of], np.uint64)
        return list(
            zip(
                np.searchsorted(self.keys, firsts).tolist(),
                np.searchsorted(self.keys, lasts, side="right").tolist(),
                strict=True,
            )
        )


@njit(cache=True, nogil=True, boundscheck=False)
def _fade(counts: Any, namespaces: Any, left: Any) -> None:
    """`decay.decay` of every count, in place."""
    for row in range(counts.size):
        counts[row] = _faded(counts[row], left[namespaces[row]])


@njit(cache=True, nogil=True, boundscheck=False, inline="always")
def _faded(count: Any, left: Any) -> Any:
    return (count >> _BITS) * left + (((count & _LOW) * left + _HALF) >> _BITS)


@njit(cache=True, nogil=True, boundscheck=False)
def _add(counts: Any, rows: Any, occurrences: Any) -> None:
    """`decay.add` to the counts of some rows, in place."""
    for i in range(rows.size):
        count = counts[rows[i]]
        total = count + (min(occurrences[i], _LOW) << _BITS)
        counts[rows[i]] = total if total >= count else _MAX


@njit(cache=True, nogil=True, boundscheck=False)
def _survey(
    keys: Any,
    namespaces: Any,
    counts: Any,
    last_seen: Any,
    slots: Any,
    left: Any,
    shard_shift: Any,
    window: Any,
    idle_windows: Any,
    admit_at: Any,
    evict_below: Any,
    moving: Any,
    spent: Any,
) -> None:
    """Fades, and fills the arrays of a `Survey`. Columns that few rows need are read for those rows only."""
    for row in range(keys.size):
        kind = namespaces[row]
        count = _faded(counts[row], left[kind])
        counts[row] = count
        if slots[row] == NO_SLOT:
            if count == 0:
                spent[row] = True
            moves = count >= admit_at[kind] and window - np.int64(last_seen[row]) < idle_windows[kind]
        else:
            moves = count < evict_below[kind] or window - np.int64(last_seen[row]) >= idle_windows[kind]
        if moves:
            moving[np.int64(keys[row] >> shard_shift) * admit_at.size + kind] = True


@njit(cache=True, nogil=True, boundscheck=False)
def _count(keys: Any, namespaces: Any, slots: Any, shard_shift: Any, kinds: Any, sizes: Any) -> None:
    """Rows of each group without a slot and with one."""
    for row in range(keys.size):
        group = np.int64(keys[row] >> shard_shift) * kinds + namespaces[row]
        sizes[group, np.int64(slots[row] != NO_SLOT)] += 1

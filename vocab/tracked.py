"""The keys that an owner counts, as columns in ascending order of key (so: shard after shard).

Counting is bounded: after each decision a shard keeps its admitted keys and `kept` others (`shard.Rules`).
A key that is dropped starts again from zero, so a count never overstates (but for rounding); it understates by what
the key had each time it was dropped, which was no more than any key kept then had.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from vocab import decay
from vocab.keys import SHARD_SHIFT
from vocab.shard import NO_SLOT

U64 = NDArray[np.uint64]
U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]


@dataclass(slots=True)
class TrackedKeys:
    """Columns of n keys; a method that changes them replaces or writes the arrays.

    counts: decayed occurrences in units of 2^-32. recent: the same at the short half-life. first_seen, last_seen:
    windows. slots: -1 = none.
    """

    keys: U64
    namespaces: U8
    counts: U64
    recent: U64
    first_seen: I64
    last_seen: I64
    slots: I32

    @staticmethod
    def none() -> "TrackedKeys":
        """No keys."""
        return TrackedKeys(
            keys=np.empty(0, np.uint64),
            namespaces=np.empty(0, np.uint8),
            counts=np.empty(0, np.uint64),
            recent=np.empty(0, np.uint64),
            first_seen=np.empty(0, np.int64),
            last_seen=np.empty(0, np.int64),
            slots=np.empty(0, np.int32),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def fade(self, left: int, recent_left: int) -> None:
        """Applies decay; both are a `decay.factor`."""
        self.counts = decay.decay(self.counts, left)
        self.recent = decay.decay(self.recent, recent_left)

    def add(self, keys: U64, namespaces: U8, occurrences: U64, window: int) -> None:
        """Counts occurrences of a window. keys: ascending, each once."""
        at = np.searchsorted(self.keys, keys)
        known = np.zeros(len(keys), bool)
        inside = at < len(self.keys)
        known[inside] = self.keys[at[inside]] == keys[inside]
        self._make_room(keys[~known], namespaces[~known], at[~known], window)
        rows = np.searchsorted(self.keys, keys)
        self.counts[rows] = decay.add(self.counts[rows], occurrences)
        self.recent[rows] = decay.add(self.recent[rows], occurrences)
        self.last_seen[rows] = window

    def _make_room(self, keys: U64, namespaces: U8, at: I64, window: int) -> None:
        """Inserts keys with counts of zero before rows `at`."""
        fresh = {
            "keys": keys,
            "namespaces": namespaces,
            "counts": np.uint64(0),
            "recent": np.uint64(0),
            "first_seen": np.int64(window),
            "last_seen": np.int64(window),
            "slots": np.int32(NO_SLOT),
        }
        total = len(self) + len(keys)
        places = at + np.arange(len(at))
        former = np.ones(total, bool)
        former[places] = False
        for name, value in fresh.items():
            column = getattr(self, name)
            grown = np.empty(total, column.dtype)
            grown[former] = column
            grown[places] = value
            setattr(self, name, grown)

    def keep(self, mask: NDArray[np.bool_]) -> None:
        """Forgets the keys where `mask` is false."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name)[mask])

    def bounds(self, shards: list[int]) -> list[tuple[int, int]]:
        """(first row, row past the last) of each shard."""
        firsts = np.array([shard << SHARD_SHIFT for shard in shards], np.uint64)
        lasts = np.array([((shard + 1) << SHARD_SHIFT) - 1 for shard in shards], np.uint64)
        return list(
            zip(
                np.searchsorted(self.keys, firsts).tolist(),
                np.searchsorted(self.keys, lasts, side="right").tolist(),
                strict=True,
            )
        )

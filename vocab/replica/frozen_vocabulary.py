"""The vocabulary at one version: an immutable table of key -> slot, and the arrays that it is saved as."""

from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import I32, I64, U8, U32, U64, Bools
from contracts.declared_arrays import Declared, checked
from contracts.errors import SnapshotInvalid
from contracts.settings import VocabSettings
from vocab.slot_layout import SlotLayout
from vocab.sorted_keys import NO_ROW, KeyIndex, read_only, slots_into

FORMAT = 1  # of `to_arrays`
_ARRAYS: Declared = {
    "header": (np.int64, (4,)),
    "extents": (np.int64, (None,)),
    "rare": (np.int64, (None,)),
    "keys": (np.uint64, (None,)),
    "slots": (np.int32, (None,)),
    "generations": (np.uint32, (None,)),
}
_ONE_REGION = read_only(np.zeros(1, np.uint8))


class FrozenVocabulary:
    """Slots of a vocabulary at `version`. Never changes; its arrays are read-only.

    keys: uint64[n], ascending, the admitted keys. slots: int32[n], each once. layout: where its rows are.
    generations: uint32[n], how often the slot was given away, this key's turn included: 1 for a slot's first key.
    sequence: how many deltas each shard has emitted up to `version`; a replica that starts here expects the next one.
    A key takes 16 bytes, and 1.4 to 2.8 of `index`. Views of the same keys share them: `of_version`.
    """

    def __init__(
        self,
        *,
        version: int,
        sequence: int,
        layout: SlotLayout,
        keys: U64,
        slots: I32,
        generations: U32,
    ) -> None:
        self.version = version
        self.sequence = sequence
        self.layout = layout
        self.keys, self.slots, self.generations = (_frozen(column) for column in (keys, slots, generations))
        self.index = KeyIndex(self.keys)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def num_slots(self) -> int:
        """Rows of the embedding table: the shared ones and those of the capacity."""
        return self.layout.num_slots

    def lookup(self, keys: U64, regions: U8 | None = None, ends: I64 | None = None) -> I32:
        """The slot of every key: its own, or one of those that the rare keys of its region share, by hash.

        uint64[n] -> int32[n]. regions: uint8[n] (`slot_layout.Region`), one for each key. Or, with `ends`: uint8[r],
        read-only, one for each run of keys, and int64[r], where the runs end. Without regions (keys of unknown
        namespaces), a rare key has one of all shared rows that the table began with.
        """
        index, wanted = self.index, read_only(keys)
        levels = self.layout.levels_of_unknown if regions is None else self.layout.levels
        if regions is None:
            regions, ends = _ONE_REGION, np.array([len(wanted)])
        elif ends is None:
            regions, ends = read_only(regions), np.arange(1, len(wanted) + 1)
        found = np.empty(len(wanted), np.int32)
        slots_into(index.keys, index.starts, index.shift, self.slots, wanted, regions, ends, *levels, found)
        return found

    def is_admitted(self, keys: U64) -> Bools:
        """Whether a key has a slot of its own. uint64[n] -> bool[n]."""
        admitted: Bools = self.index.rows(keys) != NO_ROW
        return admitted

    def of_version(self, version: int, sequence: int) -> "FrozenVocabulary":
        """The same table at another version that changed nothing; it shares this one's memory."""
        view = copy(self)
        view.version, view.sequence = version, sequence
        return view

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """`header` int64[4] (format, version, sequence, shards), `extents` int64[3 e] (of, first, size of each),
        `rare` int64[regions], `keys`, `slots`, `generations`."""
        header = [FORMAT, self.version, self.sequence, self.layout.shards]
        return {
            "header": np.array(header, np.int64),
            "extents": np.array(self.layout.to_rows(), np.int64).reshape(-1),
            "rare": np.array(self.layout.rare, np.int64),
            "keys": self.keys,
            "slots": self.slots,
            "generations": self.generations,
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> "FrozenVocabulary":
        """The inverse of `to_arrays`. Raises `SnapshotInvalid` for arrays that are no vocabulary."""
        header, extents, rare, keys, slots, generations = checked("vocabulary", arrays, _ARRAYS)
        if header[0] != FORMAT:
            raise SnapshotInvalid(f"vocabulary: header {header.tolist()} is not of format {FORMAT}")
        _, version, sequence, shards = header.tolist()
        try:
            layout = SlotLayout.from_rows(extents.reshape(-1, 3).tolist(), rare.tolist(), shards)
        except ValueError as error:
            raise SnapshotInvalid(f"vocabulary: {error}") from error
        fits = (
            keys.shape == slots.shape == generations.shape
            and bool((keys[1:] > keys[:-1]).all())
            and bool((layout.locate(slots)[0] >= 0).all())
            and len(np.unique(slots)) == len(slots)
        )
        if not fits:
            raise SnapshotInvalid("vocabulary: keys must ascend, and each has a slot of its own within the capacity")
        return FrozenVocabulary(
            version=version,
            sequence=sequence,
            layout=layout,
            keys=keys,
            slots=slots,
            generations=generations,
        )

    @staticmethod
    def empty(settings: VocabSettings) -> "FrozenVocabulary":
        """Version 0: nothing is admitted."""
        return FrozenVocabulary(
            version=0,
            sequence=0,
            layout=SlotLayout.of(settings),
            keys=np.empty(0, np.uint64),
            slots=np.empty(0, np.int32),
            generations=np.empty(0, np.uint32),
        )


def changed_slots(old: FrozenVocabulary, new: FrozenVocabulary) -> tuple[I32, U64, U32]:
    """(slots int32[c], keys uint64[c], generations uint32[c]), in order of slot: those held in `new` by another (key,
    generation) than in `old`. Slots that are free in `new` are left out. Either may be the older one.
    """
    rows = old.index.rows(new.keys)
    held = rows != NO_ROW
    same = held.copy()
    at = rows[held]
    same[held] = (old.slots[at] == new.slots[held]) & (old.generations[at] == new.generations[held])
    changed = np.flatnonzero(~same)
    changed = changed[np.argsort(new.slots[changed])]
    return new.slots[changed], new.keys[changed], new.generations[changed]


def _frozen(column: NDArray[Any]) -> NDArray[Any]:
    """The column, or a copy where someone could still write it."""
    if column.flags.writeable:
        column = column.copy()
        column.flags.writeable = False
    return column

"""Where the rows of the embedding table are: which slots a namespace has in each shard, and which rows are shared.

The table is a list of *extents*, one after another from row 0. A new vocabulary has one for the rare keys of each
region, then one for each namespace. An extent of a namespace has the same number of slots for each shard, shard by
shard. A change of settings never moves a row: what grows gets one more extent at the end; what shrinks keeps its
rows, and leaves those beyond its new size unused until it grows again.

**Rare keys** have no slot of their own and share the rows of their *region*. A region is the namespaces that travel
in the same bags of keys (`contracts.columns`), where nothing tells them apart. So a key has one row, in whichever
field it comes. The first extent of a region takes all its rare keys, by hash; each later extent takes its share of
them away. So growing a region moves only the keys that its new rows take.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import I32, I64, U8, U64
from contracts.errors import SettingsError
from contracts.settings import VocabSettings
from vocab.namespaces import Namespace
from vocab.rules import are_shards, kind_of, other_shards, rules_of

Levels = tuple[I64, U64]

RARE = 256  # `Extent.of` is RARE + the number of a region, or the number of a namespace
_MULTIPLIER = 0x9E3779B97F4A7C15
_SHIFT = np.uint64(32)


class Region(IntEnum):
    """Namespaces whose rare keys share rows. The number is in every layout: append, never renumber."""

    TEXT = 0  # the field `text`
    NAMES = 1  # the fields `tags`, `author` and `history`
    VIEWER = 2  # the field `viewer`


REGION_OF = {
    Namespace.WORD: Region.TEXT,
    Namespace.BIGRAM: Region.TEXT,
    Namespace.HASHTAG: Region.NAMES,
    Namespace.MENTION: Region.NAMES,
    Namespace.CASHTAG: Region.NAMES,
    Namespace.DOMAIN: Region.NAMES,
    Namespace.EMOJI: Region.TEXT,
    Namespace.AUTHOR: Region.NAMES,
    Namespace.VIEWER: Region.VIEWER,
    Namespace.LANG: Region.TEXT,
}


@dataclass(frozen=True, slots=True)
class Extent:
    """Consecutive rows from `first` on: `size` rows of a region, or `size` slots of a namespace for each shard."""

    of: int
    first: int
    size: int


@dataclass(frozen=True)
class SlotLayout:
    """The extents of a table, in order of their rows. rare: how many rows of each region are in use."""

    extents: tuple[Extent, ...]
    rare: tuple[int, ...]
    shards: int

    @staticmethod
    def of(settings: VocabSettings) -> "SlotLayout":
        """The layout of a new vocabulary. Raises `SettingsError` as `changed` does."""
        return SlotLayout((), (0,) * len(Region), settings.shards).changed(settings)

    def changed(self, settings: VocabSettings) -> "SlotLayout":
        """This layout, grown to what `settings` ask for. Raises `SettingsError` for settings that contradict each
        other or the number of shards, for a region without rows, and for a table of 2^31 rows or more."""
        if settings.shards != self.shards:
            raise other_shards(settings.name, self.shards, settings.shards)
        rare = [0] * len(Region)
        for namespace, region in REGION_OF.items():
            rare[region] += settings.kinds[kind_of(namespace)].rare_slots
        for region, rows in zip(Region, rare, strict=True):
            if not rows:
                names = " or ".join(
                    f"vocab.{kind_of(kind)}.rare_slots" for kind in REGION_OF if REGION_OF[kind] == region
                )
                raise SettingsError(f"keys without a slot have no row to share: set {names} to 1 or more")
        wanted = [(RARE + region, rows) for region, rows in zip(Region, rare, strict=True)]
        wanted += [(number, rules.per_shard) for number, rules in enumerate(rules_of(settings))]
        extents, rows = list(self.extents), self.num_slots
        for of, size in wanted:
            more = size - sum(extent.size for extent in self.extents if extent.of == of)
            if more > 0:
                extents.append(Extent(of, rows, more))
                rows += self._rows(extents[-1])
        if rows >= 1 << 31:
            raise SettingsError(
                f"the vocabulary would have {rows:,} slots, but slots are 31-bit numbers: lower the capacities"
            )
        return SlotLayout(tuple(extents), tuple(rare), self.shards)

    def extends(self, other: "SlotLayout") -> bool:
        """Whether every row of `other` is the same row here."""
        return self.shards == other.shards and self.extents[: len(other.extents)] == other.extents

    @cached_property
    def num_slots(self) -> int:
        """Rows of the embedding table."""
        return sum(self._rows(extent) for extent in self.extents)

    @cached_property
    def capacity(self) -> int:
        """Slots for admitted keys, in use or not."""
        return sum(self._rows(extent) for extent in self.extents if extent.of < RARE)

    @cached_property
    def rare_rows(self) -> I64:
        """Every row that is shared by rare keys, ascending."""
        spans = [range(extent.first, extent.first + extent.size) for extent in self.extents if extent.of >= RARE]
        return np.array([row for span in spans for row in span], np.int64)

    def slots_of(self, namespace: int, shard: int) -> I32:
        """The slots of a namespace in a shard, ascending, with those that are beyond its capacity now."""
        spans = [
            np.arange(extent.size, dtype=np.int32) + (extent.first + shard * extent.size)
            for extent in self.extents
            if extent.of == namespace
        ]
        return np.concatenate([np.empty(0, np.int32), *spans])

    def locate(self, slots: NDArray[np.integer]) -> tuple[I64, I64, I64]:
        """For each slot [n]: (its namespace, -1 where it is no slot; its shard; its place among all slots of that
        shard).

        The places of a shard are 0 .. slots of a shard - 1, and a place stays what it is when the table grows.
        """
        firsts, of, sizes, before = self._columns
        if not len(firsts):
            return np.full(len(slots), -1), np.zeros(len(slots), np.int64), np.zeros(len(slots), np.int64)
        at = np.maximum(np.searchsorted(firsts, slots, side="right") - 1, 0)
        shard, place = np.divmod(slots - firsts[at], sizes[at])
        is_slot = (slots >= 0) & (slots < self.num_slots) & (of[at] < RARE)
        return np.where(is_slot, of[at], -1), shard, before[at] + place

    @cached_property
    def places_per_shard(self) -> int:
        """Slots of one shard, over all namespaces."""
        return self.capacity // self.shards

    def rare_slots_of(self, keys: U64, regions: U8 | None = None) -> I32:
        """The shared row of each key. uint64[n], uint8[n] (`Region`) -> int32[n]. `FrozenVocabulary.lookup` is
        faster.

        Without regions (keys of unknown namespaces): one of all shared rows that the table began with.
        """
        starts, levels = self.levels_of_unknown if regions is None else self.levels
        slots = np.zeros(len(keys), np.uint64)
        for region, (begin, end) in enumerate(itertools.pairwise(starts.tolist())):
            mine = np.ones(len(keys), bool) if regions is None else regions == region
            for first, lowest, above, multiplier in levels[begin:end]:
                drawn = ((keys * multiplier) >> _SHIFT) % above  # one-way enough: keys are hashes already
                taken = mine & (drawn >= lowest)
                slots[taken] = first + drawn[taken] - lowest
        return slots.astype(np.int32)

    @cached_property
    def levels(self) -> Levels:
        """(where the levels of each region begin, and the end: int64[regions + 1]; the levels: uint64[levels, 4]).

        A level is an extent of a region. Its columns: its first row; how many rows of the region come before it; how
        many up to its end; a multiplier. A key draws (key * multiplier >> 32) modulo the third column, and the level
        takes the key if that is not below the second. The newest level is asked first. Rows that are not in use are
        left out.
        """
        found: list[list[tuple[int, int, int, int]]] = [[] for _ in Region]
        for extent in self.extents:
            if extent.of >= RARE:
                level, rows = found[extent.of - RARE], self.rare[extent.of - RARE]
                begin = level[-1][2] if level else 0
                if begin < rows:
                    multiplier = pow(_MULTIPLIER, len(level) + 1, 1 << 64)  # each level draws anew
                    level.append((extent.first, begin, min(begin + extent.size, rows), multiplier))
        starts, levels = np.cumsum([0, *map(len, found)]), list(itertools.chain.from_iterable(found))
        return _frozen(starts), _frozen(np.array(levels, np.uint64))

    @cached_property
    def levels_of_unknown(self) -> Levels:
        """As `levels`, for keys of unknown namespaces: one region of all shared rows that the table began with."""
        rows = sum(extent.size for extent in self.extents[: len(Region)])
        return _frozen(np.array([0, 1])), _frozen(np.array([(0, 0, rows, _MULTIPLIER)], np.uint64))

    @cached_property
    def _columns(self) -> tuple[I64, I64, I64, I64]:
        """(first, of, size) of each extent, and how many slots a shard has in the extents before it."""
        rows = np.array([(extent.first, extent.of, extent.size) for extent in self.extents], np.int64).reshape(-1, 3)
        of_shard = np.where(rows[:, 1] < RARE, rows[:, 2], 0)
        return rows[:, 0], rows[:, 1], rows[:, 2], np.cumsum(of_shard) - of_shard

    def _rows(self, extent: Extent) -> int:
        return extent.size if extent.of >= RARE else extent.size * self.shards

    def to_rows(self) -> list[list[int]]:
        """(of, first, size) of each extent, as plain lists."""
        return [[extent.of, extent.first, extent.size] for extent in self.extents]

    @staticmethod
    def from_rows(rows: Sequence[Sequence[int]], rare: Sequence[int], shards: int) -> "SlotLayout":
        """The inverse of `to_rows`. Raises `ValueError` for what `of` and `changed` would never lay out."""
        if not are_shards(shards):
            raise ValueError(f"{shards} shards")
        layout = SlotLayout(tuple(Extent(*row) for row in rows), tuple(rare), shards)
        regions, expected = [RARE + region for region in Region], 0
        for extent in layout.extents:
            known = extent.of in regions or 0 <= extent.of < len(Namespace)
            if extent.first != expected or extent.size < 1 or not known:
                raise ValueError(f"extent {extent} where one at row {expected} is due")
            expected += layout._rows(extent)
        if [extent.of for extent in layout.extents[: len(regions)]] != regions or expected >= 1 << 31:
            raise ValueError("a table must begin with the rare keys' rows, and have less than 2^31 rows")
        if len(rare) != len(Region) or not all(np.diff(layout.levels[0])):
            raise ValueError(f"rare rows {rare} do not fit the extents")
        return layout


def _frozen(column: NDArray[Any]) -> NDArray[Any]:
    column.flags.writeable = False
    return column

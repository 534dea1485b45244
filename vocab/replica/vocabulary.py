"""A replica of the vocabulary, made of its log of deltas: the table at any retained version, always the same.

It holds one full table, of the newest version that all shards have reached, and what changed at each of the last
`RETAINED` versions, 16 bytes a change. An older table is the newest with the changes since taken back. Deltas of
shards that are ahead of others wait until all have come as far.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass

import numpy as np

from contracts.arrays import I32, U32, U64
from contracts.codec import serialize
from contracts.columnar import VocabDelta
from contracts.errors import BadRecord, ChainBroken, SettingsError, VersionNotReached, VersionRetired
from contracts.settings import VocabSettings
from vocab.keys import shard_of
from vocab.replica.frozen_vocabulary import FrozenVocabulary, changed_slots
from vocab.rules import other_shards, settings_of
from vocab.slot_layout import SlotLayout
from vocab.sorted_keys import NO_ROW, read_only, replace

__all__ = ["RETAINED", "FrozenVocabulary", "Vocabulary", "changed_slots"]

RETAINED = 64  # versions that can be looked at, the newest included
_CACHED_VIEWS = 2  # tables of older versions kept at hand: 17.4 to 18.8 bytes an admitted key each


@dataclass(frozen=True, slots=True)
class _Change:
    """What changed from `base_version` to `version`, in all shards. Evicted and admitted keys are disjoint."""

    version: int
    base_version: int
    base_layout: SlotLayout
    admitted: tuple[U64, I32, U32]
    evicted: tuple[U64, I32, U32]


class Vocabulary:
    """Follows `vocab-deltas`: the deltas of a shard in order, those of different shards in any order."""

    def __init__(self, settings: VocabSettings, start: FrozenVocabulary | None = None) -> None:
        """Begins empty, or at `start`, which the next deltas must follow.

        `settings` give the name and the number of shards; the rest of them lays out the table of version 0, which
        holds no key. After that, the layout is what the log says. Raises `SettingsError` if `start` has another
        number of shards.
        """
        self._name = settings.name
        self._head = FrozenVocabulary.empty(settings) if start is None else start
        self._shards = settings.shards
        if self._head.layout.shards != self._shards:
            raise other_shards(self._name, self._head.layout.shards, self._shards)
        self._shard_version = [self._head.version] * self._shards
        self._shard_sequence = [self._head.sequence] * self._shards
        begun = self._head.layout if self._head.version else None
        self._shard_layout: list[SlotLayout | None] = [begun] * self._shards
        self._waiting: list[deque[VocabDelta]] = [deque() for _ in range(self._shards)]
        self._changes: deque[_Change] = deque(maxlen=RETAINED - 1)
        self._views: OrderedDict[int, FrozenVocabulary] = OrderedDict()

    @property
    def complete_through(self) -> int:
        """The newest version that all shards have reached; 0 at first."""
        return self._head.version

    @property
    def retained_from(self) -> int:
        """The oldest version that `at` answers."""
        return self._changes[0].base_version if self._changes else self._head.version

    def apply(self, delta: VocabDelta) -> None:
        """Takes the next delta of its shard.

        Raises `ChainBroken` and changes nothing for a gap, a repeat, a wrong order, a delta of another vocabulary,
        and one that does not fit what came before it.
        """
        self._check_chain(delta)
        shard = delta.shard
        layout = self._layout_after(delta)
        self._check_slots(delta, layout)
        former = self._shard_version[shard], self._shard_sequence[shard], self._shard_layout[shard]
        self._waiting[shard].append(delta)
        self._shard_version[shard], self._shard_sequence[shard] = delta.version, delta.sequence
        self._shard_layout[shard] = layout
        try:
            while (version := min(self._shard_version)) > self._head.version:
                self._advance(min(version, self._next_version()))
        except ChainBroken:
            self._waiting[shard].pop()
            self._shard_version[shard], self._shard_sequence[shard], self._shard_layout[shard] = former
            raise

    def at(self, version: int) -> FrozenVocabulary:
        """The table after all deltas of versions up to `version`; its own `version` is the newest of those.

        Raises `VersionNotReached` past `complete_through`, and `VersionRetired` before `retained_from`.
        """
        if version > self._head.version:
            raise VersionNotReached(
                f"vocabulary {self._name}: version {version} is not complete yet, {self._head.version} is the newest"
            )
        if version == self._head.version:
            return self._head
        if version < self.retained_from:
            raise VersionRetired(
                f"vocabulary {self._name}: version {version} is retired, {self.retained_from} is the oldest kept; "
                f"`driftline vocab rebuild {version}` makes it again from the log"
            )
        undone = [change for change in self._changes if change.version > version]
        if not undone:
            return self._head
        emitted = undone[0].base_version
        view = self._views.pop(emitted, None) or self._take_back(undone)
        self._views[emitted] = view
        if len(self._views) > _CACHED_VIEWS:
            self._views.popitem(last=False)
        return view

    def _check_chain(self, delta: VocabDelta) -> None:
        where = f"vocabulary {self._name}, shard {delta.shard}, version {delta.version}"
        if delta.vocabulary != self._name:
            raise ChainBroken(f"{where}: a delta of vocabulary {delta.vocabulary!r}")
        if delta.settings is not None and delta.settings.shards != self._shards:
            raise ChainBroken(f"{where}: {other_shards(self._name, delta.settings.shards, self._shards)}")
        if not 0 <= delta.shard < self._shards:
            raise ChainBroken(f"{where}: there are {self._shards} shards")
        at = self._shard_version[delta.shard]
        expected = self._shard_sequence[delta.shard] + 1
        if delta.sequence < expected:
            raise ChainBroken(f"{where}: sequence {delta.sequence} repeats, {expected} comes next")
        if delta.sequence > expected:
            raise ChainBroken(f"{where}: a gap, sequence {delta.sequence} where {expected} comes next")
        if delta.base_version != at or delta.version <= at:
            raise ChainBroken(f"{where}: based on version {delta.base_version}, this replica is at {at}")

    def _layout_after(self, delta: VocabDelta) -> SlotLayout:
        """The layout that a shard's delta leads to."""
        where = f"vocabulary {self._name}, shard {delta.shard}, version {delta.version}"
        layout = self._shard_layout[delta.shard]
        if delta.settings is None:
            if layout is None:
                raise ChainBroken(f"{where}: the log begins without settings")
            return layout
        try:
            settings = settings_of(delta.settings)
            return SlotLayout.of(settings) if layout is None else layout.changed(settings)
        except (BadRecord, SettingsError) as error:
            raise ChainBroken(f"{where}: {error}") from error

    def _check_slots(self, delta: VocabDelta, layout: SlotLayout) -> None:
        where = f"vocabulary {self._name}, shard {delta.shard}, version {delta.version}"
        for keys, slots in ((delta.admitted_keys, delta.admitted_slots), (delta.evicted_keys, delta.evicted_slots)):
            if not len(keys) and not len(slots):
                continue
            kinds, shards, _ = layout.locate(slots)
            inside = (kinds >= 0) & (shards == delta.shard)
            if len(keys) != len(slots) or not inside.all() or not (shard_of(keys, self._shards) == delta.shard).all():
                raise ChainBroken(f"{where}: keys or slots of another shard")
        if not len(delta.admitted_generations) == len(delta.admitted_namespaces) == len(delta.admitted_keys):
            raise ChainBroken(f"{where}: generations or namespaces for other keys than those admitted")
        if len(delta.admitted_keys) and (layout.locate(delta.admitted_slots)[0] != delta.admitted_namespaces).any():
            raise ChainBroken(f"{where}: gives keys of one namespace the slots of another")

    def _next_version(self) -> int:
        return min(waiting[0].version for waiting in self._waiting if waiting)

    def _advance(self, version: int) -> None:
        """Moves the full table to `version`, the next that any shard emitted."""
        deltas = [waiting[0] for waiting in self._waiting if waiting and waiting[0].version == version]
        layout = self._agreed_layout(deltas)
        admitted = (  # each ascends, and so do shards: end to end, keys ascend
            np.concatenate([delta.admitted_keys for delta in deltas]),
            np.concatenate([delta.admitted_slots for delta in deltas]),
            np.concatenate([delta.admitted_generations for delta in deltas]),
        )
        evicted_keys = np.concatenate([delta.evicted_keys for delta in deltas])
        evicted_slots = np.concatenate([delta.evicted_slots for delta in deltas])
        head = self._head
        rows = head.index.rows(evicted_keys)
        if (rows == NO_ROW).any() or not (head.slots[rows] == evicted_slots).all():
            raise ChainBroken(f"vocabulary {self._name}, version {version}: evicts a key that holds no such slot")
        evicted = (evicted_keys, evicted_slots, head.generations[rows])
        moved = _moved(head, layout, version, head.sequence + 1, evicted_keys, admitted)
        if len(admitted[0]) and not _each_once(moved):
            raise ChainBroken(f"vocabulary {self._name}, version {version}: gives away a slot or key that is taken")
        for waiting in self._waiting:
            if waiting and waiting[0].version == version:
                waiting.popleft()
        self._head = moved
        self._changes.append(_Change(version, head.version, head.layout, admitted, evicted))
        for retired in [cached for cached in self._views if cached < self.retained_from]:
            del self._views[retired]

    def _agreed_layout(self, deltas: list[VocabDelta]) -> SlotLayout:
        """The layout from this version on. Raises `ChainBroken` where shards took different settings."""
        changes = {serialize(delta.settings) for delta in deltas if delta.settings is not None}
        if len(changes) > 1 or (changes and any(delta.settings is None for delta in deltas)):
            raise ChainBroken(
                f"vocabulary {self._name}, version {deltas[0].version}: shards differ in their settings"
            )
        if not changes:
            return self._head.layout
        settings = settings_of(next(delta.settings for delta in deltas if delta.settings is not None))
        return self._head.layout.changed(settings) if self._head.version else SlotLayout.of(settings)

    def _take_back(self, undone: list[_Change]) -> FrozenVocabulary:
        """The newest table with the changes `undone`, oldest first, taken back.

        A key's first change among them says what it was before all of them.
        """
        steps = [columns for change in undone for columns in (change.evicted, change.admitted)]
        was_held = np.repeat([True, False] * len(undone), [len(columns[0]) for columns in steps])
        keys, slots, generations = (np.concatenate(column) for column in zip(*steps, strict=True))
        touched, first = np.unique(keys, return_index=True)
        first = first[was_held[first]]
        held = (keys[first], slots[first], generations[first])
        back_to = undone[0]
        sequence = self._head.sequence - len(undone)
        return _moved(self._head, back_to.base_layout, back_to.base_version, sequence, touched, held)


def _moved(
    view: FrozenVocabulary,
    layout: SlotLayout,
    version: int,
    sequence: int,
    without: U64,
    added: tuple[U64, I32, U32],
) -> FrozenVocabulary:
    """A view less the keys `without`, plus rows in ascending order of key."""
    if not len(without) and not len(added[0]) and layout is view.layout:
        return view.of_version(version, sequence)
    keys, slots, generations = (
        read_only(column) for column in replace(view.index, view.slots, view.generations, without, added)
    )
    return FrozenVocabulary(
        version=version,
        sequence=sequence,
        layout=layout,
        keys=keys,
        slots=slots,
        generations=generations,
    )


def _each_once(view: FrozenVocabulary) -> bool:
    """Whether keys ascend and no slot is held twice."""
    held = np.zeros(view.num_slots, bool)
    held[view.slots] = True
    return np.count_nonzero(held) == len(view) and bool((view.keys[1:] > view.keys[:-1]).all())

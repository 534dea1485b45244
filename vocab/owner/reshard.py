"""A new vocabulary of another number of shards, out of the owners of the present one: the same keys, other slots.

Every counted key is counted on, with its decayed count, when it was seen, its spelling, and its open windows; nothing
is forgotten here. Of the keys with a slot each new shard keeps, of each namespace, as many as it has slots for: the
others, of lowest count, then lowest key, lose theirs, as if the capacity were lowered. Those that stay get the slots
of their shard in the order of admission: highest count first, then lowest key, smallest slot first. Generations begin
at 1. So the outcome is a function of the keys alone, not of how owners shared them or of the slots that they had.

Trends follow their keys. So does drift, but for what an owner counts of no key: it is shared out evenly, since shards
are random shares of the keys, and its sums over all owners stay what they were.

The first deltas of the new vocabulary lead from its version 0 to the version at which this was done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.columnar import VocabDelta, empty
from contracts.errors import BadRecord, DriftlineError, SettingsError
from contracts.settings import VocabSettings
from vocab import decay
from vocab.keys import shard_of
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.owner.pending import PendingWindow
from vocab.owner.shard import NO_SLOT
from vocab.owner.spellings import Spellings
from vocab.owner.tracked_keys import TrackedKeys
from vocab.rules import configured, rules_of, settings_of
from vocab.slot_layout import Layout
from vocab.trends.drift import by_namespace

U64 = NDArray[np.uint64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
_Chooser = Callable[[U64], Bools]

_COLUMNS = ("keys", "namespaces", "counts", "first_seen", "last_seen", "slots")


class CannotReshard(DriftlineError):
    """Owners that do not stand at one version of one whole vocabulary."""


@dataclass(frozen=True, slots=True)
class LostSlot:
    """A key whose shard has no slot left for it; it is counted on. `count`: decayed, in occurrences."""

    namespace: Namespace
    token: str
    key: int
    count: float


@dataclass(frozen=True, slots=True)
class Resharded:
    """owners: of the new vocabulary, by partition. deltas: its first, by shard. lost: highest counts first."""

    owners: list[VocabularyOwner]
    deltas: list[VocabDelta]
    lost: list[LostSlot]


def reshard(owners: Sequence[VocabularyOwner], name: str, shards: int, partitions: int) -> Resharded:
    """owners: of all the shards there are, at one version. partitions: how many share the new shards out.

    Raises `CannotReshard` for owners that do not fit together or have decided nothing yet, and `SettingsError` for
    settings, in effect or on their way, of which the capacities do not divide into so many shards.
    """
    _check(owners)
    former = owners[0]
    settings = msgspec.structs.replace(former.settings, name=name, shards=shards)
    changes = {}
    for window, record in former.changes.items():
        changes[window] = msgspec.structs.replace(record, vocabulary=name, shards=shards)
        try:
            Layout.of(settings).changed(settings_of(changes[window]))
        except BadRecord as error:
            raise SettingsError(f"settings that are to hold from window {window}: {error}") from error
    whole = _Whole.of(owners)
    slots = _new_slots(whole.tracked, settings)
    lost = (whole.tracked.slots != NO_SLOT) & (slots == NO_SLOT)
    whole.tracked.slots[:] = slots
    whole.drift_changes = decay.add_one(whole.drift_changes, int(np.count_nonzero(lost)))
    new = [whole.owner(former, settings, partition, partitions) for partition in range(partitions)]
    for owner in new:
        owner.changes = dict(changes)
    record = configured(settings, former.version, made_of=former.settings.name)
    deltas = [_first_delta(owner, shard) for owner in new for shard in owner.shards]
    return Resharded(
        owners=new,
        deltas=sorted((msgspec.structs.replace(delta, settings=record) for delta in deltas), key=lambda d: d.shard),
        lost=_named(whole, np.flatnonzero(lost)),
    )


def _check(owners: Sequence[VocabularyOwner]) -> None:
    first = owners[0]
    if not first.version:
        raise CannotReshard(
            f"vocabulary {first.settings.name!r} has decided nothing yet: set vocab.shards before its first worker "
            "starts, in an installation with a prefix of its own (DRIFTLINE_PREFIX)"
        )
    stands = [
        (owner.settings, owner.version, owner.counted, owner.closed, sorted(owner.pending), owner.changes)
        for owner in owners
    ]
    if any(each != stands[0] for each in stands):
        raise CannotReshard(
            f"the owners of vocabulary {first.settings.name!r} stand at versions "
            f"{sorted({owner.version for owner in owners})} of unlike windows: let `driftline worker` finish what is "
            "on vocab-counts"
        )
    if sorted(shard for owner in owners for shard in owner.shards) != list(range(first.settings.shards)):
        raise CannotReshard(f"the owners do not have each of the {first.settings.shards} shards once")


@dataclass(slots=True)
class _Whole:
    """What all owners hold, as if one owner did. trend_*: columns of `Trends`; rest, occurrences, outside: sums."""

    tracked: TrackedKeys
    spellings: Spellings
    trend_keys: U64
    trend_languages: NDArray[np.uint16]
    trend_counts: U64
    drift_keys: U64
    drift_counts: U64
    drift_rest: U64
    drift_occurrences: U64
    drift_outside: U64
    drift_changes: int
    pending: dict[int, PendingWindow]

    @staticmethod
    def of(owners: Sequence[VocabularyOwner]) -> "_Whole":
        columns = {name: np.concatenate([owner.tracked.column(name) for owner in owners]) for name in _COLUMNS}
        by_key = np.argsort(columns["keys"])
        spellings = Spellings()
        pending: dict[int, PendingWindow] = {}
        for owner in owners:
            spellings.merge(owner.spellings)
            for window, counted in owner.pending.items():
                pending.setdefault(window, PendingWindow()).add(*counted.by_language())
                pending[window].spellings.merge(counted.spellings)
        trend_keys = np.concatenate([owner.trends.keys for owner in owners])
        of_trends = np.argsort(trend_keys, kind="stable")  # rows of a key stay as they are: all languages first
        drift_keys = np.concatenate([owner.drift.keys for owner in owners])
        of_drift = np.argsort(drift_keys)
        return _Whole(
            tracked=TrackedKeys(**{name: column[by_key] for name, column in columns.items()}),
            spellings=spellings,
            trend_keys=trend_keys[of_trends],
            trend_languages=np.concatenate([owner.trends.languages for owner in owners])[of_trends],
            trend_counts=np.concatenate([owner.trends.counts for owner in owners], axis=1)[:, of_trends],
            drift_keys=drift_keys[of_drift],
            drift_counts=np.concatenate([owner.drift.counts for owner in owners], axis=1)[:, of_drift],
            drift_rest=np.sum([owner.drift.rest for owner in owners], axis=0, dtype=np.uint64),
            drift_occurrences=np.sum([owner.drift.occurrences for owner in owners], axis=0, dtype=np.uint64),
            drift_outside=np.sum([owner.drift.outside for owner in owners], axis=0, dtype=np.uint64),
            drift_changes=sum(owner.drift.changes for owner in owners),
            pending=pending,
        )

    def owner(
        self, former: VocabularyOwner, settings: VocabSettings, partition: int, partitions: int
    ) -> VocabularyOwner:
        """The owner of a partition's shards, but for settings on their way. `tracked` has the new slots already."""
        owner = VocabularyOwner(
            settings, range(partition, settings.shards, partitions), frozenset(former.closed), former.window_ms
        )

        def mine(keys: U64) -> Bools:
            of_partition: Bools = shard_of(keys, settings.shards) % partitions == partition
            return of_partition

        rows = mine(self.tracked.keys)
        owner.version, owner.first_window, owner.sequence = former.version, former.first_window, 1
        owner.counted = former.counted
        owner.closed = dict(former.closed)
        owner.tracked = TrackedKeys(**{name: self.tracked.column(name)[rows] for name in _COLUMNS})
        owner.spellings = _those(self.spellings, mine)
        _, shards, places = owner.layout.locate(owner.tracked.slots[owner.tracked.slots != NO_SLOT])
        owner.generations[np.searchsorted(owner.shards, shards), places] = 1
        for window, counted in self.pending.items():
            keys, languages, namespaces, counts = counted.by_language()
            here = mine(keys)
            open_window = owner.pending[window] = PendingWindow()
            open_window.add(keys[here], languages[here], namespaces[here], counts[here])
            open_window.spellings = _those(counted.spellings, mine)
        owner.drift.hour = former.drift.hour
        self._follow(owner, mine(self.trend_keys), mine(self.drift_keys), (partition, partitions))
        return owner

    def _follow(self, owner: VocabularyOwner, of_trends: Bools, of_drift: Bools, share: tuple[int, int]) -> None:
        """Trends and drift of an owner's keys, those that lost their slot left out as at any decision."""
        held = owner.tracked.slots != NO_SLOT
        admitted, namespaces = owner.tracked.keys[held], owner.tracked.namespaces[held]
        trends, drift = owner.trends, owner.drift
        kept = of_trends & np.isin(self.trend_keys, admitted)
        trends.keys, trends.languages = self.trend_keys[kept], self.trend_languages[kept]
        trends.counts = self.trend_counts[:, kept]
        kept = of_drift & np.isin(self.drift_keys, admitted)
        drift.keys, drift.namespaces, drift.counts = admitted, namespaces, self.drift_counts[:, kept]
        drift.rest = _share(self.drift_rest, share)
        gone = of_drift & ~kept
        kinds = owner.tracked.namespaces[owner.tracked.locate(self.drift_keys[gone])[0]]
        for rest, counts in zip(drift.rest, self.drift_counts[:, gone], strict=True):
            rest += by_namespace(kinds, counts)
        drift.occurrences = _share(self.drift_occurrences, share)
        drift.outside = _share(self.drift_outside, share)
        drift.changes = int(_share(np.array([self.drift_changes], np.uint64), share)[0])


def _share(sums: U64, share: tuple[int, int]) -> U64:
    """An owner's part of what is of no key; the parts add up."""
    part, parts = np.uint64(share[0]), np.uint64(share[1])
    shared: U64 = sums // parts + (part < sums % parts)
    return shared


def _those(spellings: Spellings, mine: _Chooser) -> Spellings:
    chosen = Spellings()
    keys = spellings.keys[mine(spellings.keys)]
    chosen.learn(keys, spellings.of(keys))
    return chosen


def _new_slots(tracked: TrackedKeys, settings: VocabSettings) -> I32:
    """int32[n]: the slot of each key that had one and finds one, -1 = none."""
    layout = Layout.of(settings)
    per_shard = np.array([rules.per_shard for rules in rules_of(settings)])
    firsts = np.zeros(len(per_shard), np.int64)
    for extent in layout.extents:
        if extent.of < len(firsts):
            firsts[extent.of] = extent.first
    rows = np.flatnonzero(tracked.slots != NO_SLOT)
    keys, kinds = tracked.keys[rows], tracked.namespaces[rows].astype(np.int64)
    shards, falling = shard_of(keys, settings.shards).astype(np.int64), ~tracked.counts[rows]
    group = kinds * settings.shards + shards
    stays = _places(np.lexsort((~keys, falling, group)), group) < per_shard[kinds]
    places = _places(np.lexsort((keys[stays], falling[stays], group[stays])), group[stays])
    slots = np.full(len(tracked), NO_SLOT, np.int32)
    slots[rows[stays]] = firsts[kinds[stays]] + shards[stays] * per_shard[kinds[stays]] + places
    return slots


def _places(order: I64, group: I64) -> I64:
    """The place of each row within its group, in an order that has the groups one after another."""
    ordered = group[order]
    places = np.empty(len(group), np.int64)
    places[order] = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    return places


def _first_delta(owner: VocabularyOwner, shard: int) -> VocabDelta:
    tracked, shards = owner.tracked, owner.settings.shards
    rows = np.flatnonzero((tracked.slots != NO_SLOT) & (shard_of(tracked.keys, shards) == shard))
    return VocabDelta(
        vocabulary=owner.settings.name,
        shard=shard,
        base_version=0,
        version=owner.version,
        sequence=owner.sequence,
        admitted_keys=tracked.keys[rows],
        admitted_slots=tracked.slots[rows],
        admitted_generations=np.ones(len(rows), np.uint32),
        admitted_namespaces=tracked.namespaces[rows],
        admitted_tokens=owner.spellings.of(tracked.keys[rows]),
        evicted_keys=empty(np.uint64),
        evicted_slots=empty(np.int32),
    )


def _named(whole: _Whole, rows: I64) -> list[LostSlot]:
    tracked = whole.tracked
    rows = rows[np.lexsort((tracked.keys[rows], ~tracked.counts[rows]))]
    columns = (
        tracked.namespaces[rows].tolist(),
        whole.spellings.of(tracked.keys[rows]),
        tracked.keys[rows].tolist(),
        tracked.counts[rows].tolist(),
    )
    return [
        LostSlot(namespace=Namespace(kind), token=token, key=key, count=count / decay.ONE)
        for kind, token, key, count in zip(*columns, strict=True)
    ]

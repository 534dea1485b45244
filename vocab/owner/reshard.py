"""A new vocabulary of another number of shards, out of the owners' states of the present one: the same keys, other
slots.

Every counted key goes on with its decayed count, its first and last window, its spelling and its counts in open
windows; none is forgotten. If a new shard has fewer slots for a namespace than keys with a slot, those of lowest
count, then lowest key, lose theirs, as if the capacity were lowered. The others get the slots of their shard in the
order of admission: highest count first, then lowest key, smallest slot first. Generations begin at 1. So the outcome
is a function of the keys alone, not of how owners shared them or of the slots that they had.

Trends follow their keys, and so do the counts of drift. What drift sums over keys without a slot is shared out
evenly, since shards are random shares of the keys; the sums over all owners stay the same.

The first deltas of the new vocabulary lead from its version 0 to the version at which this was done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from contracts.arrays import I32, I64, U64, Bools
from contracts.columnar import VocabDelta, empty
from contracts.errors import BadRecord, DriftlineError, SettingsError
from contracts.records import VocabConfigured
from contracts.settings import VocabSettings
from eventtime.pending_windows import PendingWindows
from vocab import decay
from vocab.keys import shard_of
from vocab.namespaces import Namespace
from vocab.owner.admit_and_evict import NO_SLOT
from vocab.owner.merge import COLUMNS, merge
from vocab.owner.pending import PendingWindow
from vocab.owner.spellings import Spellings
from vocab.owner.state import OwnerState
from vocab.owner.tracked_keys import TrackedKeys
from vocab.rules import configured, rules_of, settings_of
from vocab.slot_layout import SlotLayout
from vocab.trends.drift import Drift, by_namespace
from vocab.trends.horizons import Trends

_Chooser = Callable[[U64], Bools]


class CannotReshard(DriftlineError):
    """Owners that do not stand at one version of one whole vocabulary."""


@dataclass(frozen=True, slots=True)
class LostSlot:
    """A key that loses its slot; it is still counted. `count`: decayed, in occurrences."""

    namespace: Namespace
    token: str
    key: int
    count: float


@dataclass(frozen=True, slots=True)
class Resharded:
    """states: of the new owners, by partition. deltas: the first ones, by shard. lost: highest count first."""

    states: list[OwnerState]
    deltas: list[VocabDelta]
    lost: list[LostSlot]


def reshard(states: Sequence[OwnerState], name: str, shards: int, partitions: int) -> Resharded:
    """states: of all owners, at one version. partitions: how many share the new shards out. Changes none of `states`.

    Raises `CannotReshard` for states that do not fit together or have decided nothing yet, and `SettingsError` for
    capacities, in effect or on their way, that do not divide into so many shards.
    """
    _check(states)
    former = states[0]
    settings = msgspec.structs.replace(former.settings, name=name, shards=shards)
    changes = _changes(former, settings)
    whole = merge(states)
    slots = _new_slots(whole.tracked, settings)
    lost = (whole.tracked.slots != NO_SLOT) & (slots == NO_SLOT)
    whole.tracked.slots[:] = slots
    whole.drift.changes = decay.add_one(whole.drift.changes, int(np.count_nonzero(lost)))
    new = [_part(whole, settings, changes, partition, partitions) for partition in range(partitions)]
    record = configured(settings, former.version, made_of=former.settings.name)
    deltas = [_first_delta(state, shard, record) for state in new for shard in state.shards]
    return Resharded(new, sorted(deltas, key=lambda delta: delta.shard), _named(whole, np.flatnonzero(lost)))


def _changes(former: OwnerState, settings: VocabSettings) -> dict[int, VocabConfigured]:
    """The settings on their way, for the new vocabulary of `settings`."""
    changes = {}
    for window, record in former.changes.items():
        changes[window] = msgspec.structs.replace(record, vocabulary=settings.name, shards=settings.shards)
        try:
            SlotLayout.of(settings).changed(settings_of(changes[window]))
        except BadRecord as error:
            raise SettingsError(f"settings that are to hold from window {window}: {error}") from error
    return changes


def _check(states: Sequence[OwnerState]) -> None:
    first = states[0]
    if not first.version:
        raise CannotReshard(
            f"vocabulary {first.settings.name!r} has decided nothing yet: set vocab.shards before its first worker "
            "starts, in an installation with a prefix of its own (DRIFTLINE_PREFIX)"
        )
    stands = [
        (state.settings, state.version, state.counted, state.closed, list(state.pending), state.changes)
        for state in states
    ]
    if any(each != stands[0] for each in stands):
        raise CannotReshard(
            f"the owners of vocabulary {first.settings.name!r} stand at versions "
            f"{sorted({state.version for state in states})}, or have counted in different windows: let "
            "`driftline worker` finish what is on vocab-counts"
        )
    if sorted(shard for state in states for shard in state.shards) != list(range(first.settings.shards)):
        raise CannotReshard(f"the owners do not have each of the {first.settings.shards} shards once")


def _part(
    whole: OwnerState, settings: VocabSettings, changes: dict[int, VocabConfigured], partition: int, partitions: int
) -> OwnerState:
    """The state of the owner of a partition's shards. `whole.tracked` has the new slots already."""

    def mine(keys: U64) -> Bools:
        of_partition: Bools = shard_of(keys, settings.shards) % partitions == partition
        return of_partition

    rows = mine(whole.tracked.keys)
    tracked = TrackedKeys(**{name: whole.tracked.column(name)[rows] for name in COLUMNS})
    layout = SlotLayout.of(settings)
    shards = list(range(partition, settings.shards, partitions))
    generations = np.zeros((len(shards), layout.places_per_shard), np.uint32)
    _, of_shards, places = layout.locate(tracked.slots[tracked.slots != NO_SLOT])
    generations[np.searchsorted(shards, of_shards), places] = 1
    pending = PendingWindows(PendingWindow)
    pending.held = {window: _counted_of(counted, mine) for window, counted in whole.pending.held.items()}
    return OwnerState(
        settings=settings,
        layout=layout,
        shards=shards,
        window_ms=whole.window_ms,
        closed=dict(whole.closed),
        generations=generations,
        trends=_trends_of(whole.trends, tracked),
        drift=_drift_of(whole.drift, tracked, mine(whole.drift.keys), (partition, partitions)),
        tracked=tracked,
        spellings=_those(whole.spellings, mine),
        pending=pending,
        changes=dict(changes),
        version=whole.version,
        first_window=whole.first_window,
        counted=whole.counted,
        sequence=1,
    )


def _trends_of(whole: Trends, tracked: TrackedKeys) -> Trends:
    """Trends of an owner's keys that hold a slot."""
    rows = np.isin(whole.keys, tracked.keys[tracked.slots != NO_SLOT])
    return Trends(whole.window_ms, whole.keys[rows], whole.languages[rows], whole.counts[:, rows])


def _drift_of(whole: Drift, tracked: TrackedKeys, mine: Bools, share: tuple[int, int]) -> Drift:
    """Drift of an owner's keys. What those that lost their slot had goes to the rest, as at any decision.

    mine: bool[whole.keys], the owner's. share: the owner's part of the sums, and how many parts there are.
    """
    held = tracked.slots != NO_SLOT
    kept = mine & np.isin(whole.keys, tracked.keys[held])
    gone = mine & ~kept
    rest = _share(whole.rest, share)
    for row, counts in zip(rest, whole.counts[:, gone], strict=True):
        row += by_namespace(whole.namespaces[gone], counts)
    return Drift(
        whole.window_ms,
        keys=tracked.keys[held],
        namespaces=tracked.namespaces[held],
        counts=whole.counts[:, kept],
        rest=rest,
        hour=whole.hour,
        changes=int(_share(np.array([whole.changes], np.uint64), share)[0]),
        occurrences=_share(whole.occurrences, share),
        outside=_share(whole.outside, share),
    )


def _share(sums: U64, share: tuple[int, int]) -> U64:
    """An owner's part of sums that belong to no key; the parts add up to the whole."""
    part, parts = np.uint64(share[0]), np.uint64(share[1])
    shared: U64 = sums // parts + (part < sums % parts)
    return shared


def _counted_of(counted: PendingWindow, mine: _Chooser) -> PendingWindow:
    """An open window's counts of some keys."""
    keys, languages, namespaces, counts = counted.by_language()
    here = mine(keys)
    part = PendingWindow()
    part.add(keys[here], languages[here], namespaces[here], counts[here])
    part.spellings.merge(_those(counted.spellings, mine))
    return part


def _those(spellings: Spellings, mine: _Chooser) -> Spellings:
    chosen = Spellings()
    keys = spellings.keys[mine(spellings.keys)]
    chosen.learn(keys, spellings.of(keys))
    return chosen


def _new_slots(tracked: TrackedKeys, settings: VocabSettings) -> I32:
    """int32[n]: the new slot of each key that had one and keeps one, -1 for all others."""
    layout = SlotLayout.of(settings)
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


def _first_delta(state: OwnerState, shard: int, settings: VocabConfigured) -> VocabDelta:
    tracked, shards = state.tracked, state.settings.shards
    rows = np.flatnonzero((tracked.slots != NO_SLOT) & (shard_of(tracked.keys, shards) == shard))
    return VocabDelta(
        vocabulary=state.settings.name,
        shard=shard,
        base_version=0,
        version=state.version,
        sequence=state.sequence,
        admitted_keys=tracked.keys[rows],
        admitted_slots=tracked.slots[rows],
        admitted_generations=np.ones(len(rows), np.uint32),
        admitted_namespaces=tracked.namespaces[rows],
        admitted_tokens=state.spellings.of(tracked.keys[rows]),
        evicted_keys=empty(np.uint64),
        evicted_slots=empty(np.int32),
        settings=settings,
    )


def _named(whole: OwnerState, rows: I64) -> list[LostSlot]:
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

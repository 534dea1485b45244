"""Which keys of an owner take a slot and which give one up when a window closes, shard by shard.

`admit_and_evict.py` decides on one namespace of one shard. Here one pass over all keys finds the few groups, a
shard's keys of one namespace, in which something may change; only those are decided on.
"""

from collections.abc import Iterator

import numpy as np

from contracts.arrays import I64, Bools
from vocab.namespaces import Namespace
from vocab.owner.admit_and_evict import NO_SLOT, Decision, decide, forgotten, joined
from vocab.owner.state import OwnerState

_KINDS = len(Namespace)


def move_keys(state: OwnerState, undecayed: int, may_exceed: bool) -> tuple[dict[int, Decision], Bools]:
    """Gives slots and takes them, in `state.tracked`.

    undecayed: windows of decay that the counts still lack; applied here. may_exceed: whether a group may be past its
    bounds. Returns the decision of each shard where a key came or went, and bool[n], which of the n tracked keys are
    to be forgotten.
    """
    tracked, shards = state.tracked, state.settings.shards
    survey = tracked.survey(state.left_after(undecayed), shards, state.version, state.rules)
    moving, drop, cut = survey.moving, survey.spent, np.zeros(len(survey.moving), bool)
    if may_exceed:
        cut, holding = tracked.crowded(shards, state.rules)
        moving |= holding
    decided: dict[int, list[Decision]] = {}
    for shard, namespace, rows in _rows_of(state, np.flatnonzero(moving | cut)):
        counts, slots, rules = tracked.counts[rows], tracked.slots[rows], state.rules[namespace]
        if moving[shard * _KINDS + namespace]:
            idle = tracked.silent(rows, state.version, rules.idle_windows)
            found = decide(counts, slots, idle, rules, state.layout.slots_of(namespace, shard))
            slots[found.evicted] = NO_SLOT
            slots[found.admitted] = found.admitted_slots
            tracked.slots[rows] = slots
            if len(found.admitted) or len(found.evicted):
                decided.setdefault(shard, []).append(
                    Decision(rows[found.admitted], found.admitted_slots, rows[found.evicted], found.evicted_slots)
                )
        drop[rows] = forgotten(counts, slots, rules.kept)
    return {shard: joined(decisions) for shard, decisions in decided.items()}, drop


def _rows_of(state: OwnerState, groups: I64) -> Iterator[tuple[int, int, I64]]:
    """(shard, namespace, their rows of `tracked`) of groups, shard * namespaces + namespace, ascending."""
    of_shard, of_kind = (part.tolist() for part in np.divmod(groups, _KINDS))
    bounds = state.tracked.bounds(of_shard, state.settings.shards)
    for shard, namespace, (begin, end) in zip(of_shard, of_kind, bounds, strict=True):
        yield shard, namespace, begin + np.flatnonzero(state.tracked.namespaces[begin:end] == namespace)

"""A decision as the records that say it: one `VocabDelta` for each shard of an owner."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from contracts.columnar import VocabDelta, empty
from contracts.records import VocabConfigured
from vocab.owner.admit_and_evict import Decision
from vocab.owner.state import OwnerState

_UNCHANGED: dict[str, Any] = {  # the columns of a `VocabDelta` where no key comes or goes: of most
    "admitted_keys": empty(np.uint64),
    "admitted_slots": empty(np.int32),
    "admitted_generations": empty(np.uint32),
    "admitted_namespaces": empty(np.uint8),
    "admitted_tokens": [],
    "evicted_keys": empty(np.uint64),
    "evicted_slots": empty(np.int32),
}


def make_deltas(
    state: OwnerState, base: int, decided: Mapping[int, Decision], settings: VocabConfigured | None
) -> list[VocabDelta]:
    """The deltas from version `base` to the state's; raises the generations of the slots that are given away.

    decided: by shard, where a key came or went. settings: those that the decision put in effect, if any.
    """
    # Most are alike, and a copy with another number costs a sixth of a new one.
    alike = VocabDelta(
        vocabulary=state.settings.name,
        shard=0,
        base_version=base,
        version=state.version,
        sequence=state.sequence,
        settings=settings,
        **_UNCHANGED,
    )
    changes = {shard: _changes(state, shard, decision) for shard, decision in decided.items()}
    return [replace(alike, shard=shard, **changes.get(shard, {})) for shard in state.shards]


def _changes(state: OwnerState, shard: int, decision: Decision) -> dict[str, Any]:
    """The columns of a shard's delta."""
    keys = state.tracked.keys[decision.admitted]
    generations = state.generations[state.shards.index(shard)]
    _, _, places = state.layout.locate(decision.admitted_slots)
    generations[places] += 1
    return {
        "admitted_keys": keys,
        "admitted_slots": decision.admitted_slots,
        "admitted_generations": generations[places],
        "admitted_namespaces": state.tracked.namespaces[decision.admitted],
        "admitted_tokens": state.spellings.of(keys),
        "evicted_keys": state.tracked.keys[decision.evicted],
        "evicted_slots": decision.evicted_slots,
    }

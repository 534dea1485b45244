"""The vocabulary as people query it in Redis: absolute values, set only if newer. A view: Kafka is the truth.

    {prefix}vocab:{name}:bucket:{n}         n = the top 10 bits of a key (0..1023): the admitted keys of that range
    {prefix}vocab:{name}:list:{owner}       owner = its lowest shard: its top, rising and falling keys, and its drift

Each value is its version (the window), 8 bytes big-endian, then a MessagePack frame, `Bucket` or `Lists`
(`lists.py`). An owner writes all of its values after each decision, so one write makes a wiped Redis whole again. A
key that was evicted is gone with the next write of its bucket, without a tombstone.

Bounded memory: an admitted key takes 69 bytes and its token: some 11 MB at the default capacity of 131,072.
"""

from dataclasses import dataclass

import numpy as np

from contracts.arrays import F32, U64
from contracts.codec import serialize
from transport.ports.redis import VERSION_BYTES
from vocab.owner.state import OwnerState
from vocab.trends.spans import HORIZONS
from vocab.trends.velocity import movements
from vocab.view.buckets import BUCKET_SHIFT, BUCKETS, Bucket, bucket_key
from vocab.view.lists import lists_key
from vocab.view.make_lists import lists_of


@dataclass(frozen=True, slots=True)
class ViewUpdates:
    """Redis keys and values, without the installation's prefix; the same for the same state."""

    keys: list[bytes]
    values: list[bytes]


def view_updates(state: OwnerState) -> ViewUpdates:
    """All that an owner has to show of its newest version; empty before its first decision."""
    if not state.version:
        return ViewUpdates([], [])
    admitted = _admitted(state)
    version = state.version.to_bytes(VERSION_BYTES, "big")
    of_shard = BUCKETS // state.settings.shards
    buckets = [shard * of_shard + i for shard in state.shards for i in range(of_shard)]
    bucket_of = admitted.keys >> np.uint64(BUCKET_SHIFT)
    begins = np.searchsorted(bucket_of, np.array(buckets, np.uint64)).tolist()
    ends = np.searchsorted(bucket_of, np.array(buckets, np.uint64), side="right").tolist()
    name = state.settings.name
    return ViewUpdates(
        keys=[*(bucket_key(name, bucket) for bucket in buckets), lists_key(name, state.shards[0])],
        values=[
            *(version + serialize(_slice(admitted, begin, end)) for begin, end in zip(begins, ends, strict=True)),
            version + serialize(lists_of(state)),
        ],
    )


def _admitted(state: OwnerState) -> Bucket:
    """All of an owner's admitted keys, as if of one bucket."""
    tracked = state.tracked
    rows = np.flatnonzero(tracked.slots >= 0)
    keys = tracked.keys[rows]
    totals = state.trends.totals()
    velocities = [movements(totals, i, state.window_ms, state.age)[0] for i in range(len(HORIZONS))]
    return Bucket(
        keys=keys,
        namespaces=tracked.namespaces[rows],
        slots=tracked.slots[rows],
        generations=state.generations_of(tracked.slots[rows]),
        counts=_occurrences(tracked.counts[rows]),
        horizon_counts=_occurrences(totals[: len(HORIZONS)].T.reshape(-1)),
        velocities=np.stack(velocities, axis=1, dtype=np.float32, casting="same_kind").reshape(-1),
        first_seen=tracked.first_seen[rows].astype(np.int64),
        last_seen=tracked.last_seen[rows].astype(np.int64),
        tokens=state.spellings.of(keys),
    )


def _occurrences(counts: U64) -> F32:
    return (counts * 2.0**-32).astype(np.float32)


def _slice(admitted: Bucket, begin: int, end: int) -> Bucket:
    wide = len(HORIZONS)
    columns = {
        name: column[begin * wide : end * wide] if name in ("horizon_counts", "velocities") else column[begin:end]
        for name in admitted.__struct_fields__
        if name != "v"
        for column in [getattr(admitted, name)]
    }
    return Bucket(**columns)

"""The vocabulary as people query it in Redis: absolute values, set only if newer. A view: Kafka is the truth.

    {prefix}vocab:{name}:bucket:{n}         n = the top 10 bits of a key (0..1023): the admitted keys of that range
    {prefix}vocab:{name}:list:{owner}       owner = its lowest shard: each namespace's top, rising and falling keys

Each value is its version (the window), 8 bytes big-endian, then a MessagePack frame, `Bucket` or `Lists`. An owner
writes all of its values after each close, so a wiped Redis is whole again after one. A key that was evicted is gone
with the next write of its bucket, without a tombstone.

Bounded memory: an admitted key takes 45 bytes and its token; a list has at most `LIST_LENGTH` entries for each kind
and namespace. At the default capacity of 131,072: some 6 MB, and some 100 kB of lists an owner.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.codec import Codec, Frame, encode
from contracts.frames import F32, I32, I64, U8, U32, U64
from vocab.keys import SHARD_SHIFT
from vocab.namespaces import SPELLED
from vocab.owner import VocabularyOwner
from vocab.velocity import velocities

BUCKET_SHIFT = 54  # 16 buckets a shard
BUCKETS_OF_SHARD = 1 << (SHARD_SHIFT - BUCKET_SHIFT)
LIST_LENGTH = 100
KINDS = ("top", "rising", "falling")
VERSION_BYTES = 8


class Bucket(Frame, frozen=True, kw_only=True):
    """Admitted keys of one range, ascending, at the window that is the value's version.

    `counts`: decayed, in occurrences. `velocities`: in occurrences a window (`velocity.py`). `first_seen`,
    `last_seen`: windows. `tokens`: "" for bigrams.
    """

    keys: U64
    namespaces: U8
    slots: I32
    generations: U32
    counts: F32
    velocities: F32
    first_seen: I64
    last_seen: I64
    tokens: list[str]


class Lists(Frame, frozen=True, kw_only=True):
    """The lists of one owner. Row i: a key of `namespaces[i]` on list `kinds[i]` (an index of `KINDS`), best first.

    `shards`: those that the owner holds, so that a reader can tell lists of a former division of the work.
    """

    shards: U8
    kinds: U8
    keys: U64
    namespaces: U8
    counts: F32
    velocities: F32
    tokens: list[str]


bucket_codec = Codec(Bucket)
lists_codec = Codec(Lists)


@dataclass(frozen=True, slots=True)
class ViewUpdates:
    """Redis keys and values, without the installation's prefix; the same for the same state."""

    keys: list[bytes]
    values: list[bytes]


def bucket_key(vocabulary: str, bucket: int) -> bytes:
    """The Redis key of a bucket."""
    return f"vocab:{vocabulary}:bucket:{bucket}".encode()


def lists_key(vocabulary: str, owner: int) -> bytes:
    """The Redis key of the lists of the owner whose lowest shard is `owner`."""
    return f"vocab:{vocabulary}:list:{owner}".encode()


def view_updates(owner: VocabularyOwner) -> ViewUpdates:
    """All that an owner has to show of its newest version; nothing before it has decided one."""
    if not owner.version:
        return ViewUpdates([], [])
    admitted = _admitted(owner)
    version = owner.version.to_bytes(VERSION_BYTES, "big")
    buckets = [shard * BUCKETS_OF_SHARD + i for shard in owner.shards for i in range(BUCKETS_OF_SHARD)]
    bucket_of = admitted.keys >> np.uint64(BUCKET_SHIFT)
    begins = np.searchsorted(bucket_of, np.array(buckets, np.uint64)).tolist()
    ends = np.searchsorted(bucket_of, np.array(buckets, np.uint64), side="right").tolist()
    name = owner.settings.name
    return ViewUpdates(
        keys=[*(bucket_key(name, bucket) for bucket in buckets), lists_key(name, owner.shards[0])],
        values=[
            *(version + encode(_slice(admitted, begin, end)) for begin, end in zip(begins, ends, strict=True)),
            version + encode(_lists(owner, admitted)),
        ],
    )


def _admitted(owner: VocabularyOwner) -> Bucket:
    """All of an owner's admitted keys, as if of one bucket."""
    tracked, settings = owner.tracked, owner.settings
    rows = np.flatnonzero(tracked.slots >= 0)
    counts, recent = tracked.counts[rows], tracked.recent[rows]
    # Windows since the vocabulary began, the present one included.
    velocity = velocities(counts, recent, settings.half_life_windows, owner.version - owner.first_window + 1)
    keys = tracked.keys[rows]
    return Bucket(
        keys=keys,
        namespaces=tracked.namespaces[rows],
        slots=tracked.slots[rows],
        generations=owner.generations_of(tracked.slots[rows]),
        counts=(counts * 2.0**-32).astype(np.float32),
        velocities=velocity.astype(np.float32),
        first_seen=tracked.first_seen[rows].astype(np.int64),
        last_seen=tracked.last_seen[rows].astype(np.int64),
        tokens=owner.spellings.of(keys),
    )


def _slice(admitted: Bucket, begin: int, end: int) -> Bucket:
    return Bucket(**{name: getattr(admitted, name)[begin:end] for name in admitted.__struct_fields__ if name != "v"})


def _lists(owner: VocabularyOwner, admitted: Bucket) -> Lists:
    kinds, rows = [], []
    for namespace in SPELLED:
        members = np.flatnonzero(admitted.namespaces == namespace)
        counts, velocity = admitted.counts[members], admitted.velocities[members]
        for kind, scores in enumerate((counts, velocity, -velocity)):
            order = best(scores, admitted.keys[members], LIST_LENGTH)
            chosen = members[order[scores[order] > 0]]
            kinds.append(np.full(len(chosen), kind, np.uint8))
            rows.append(chosen)
    chosen = np.concatenate(rows)
    return Lists(
        shards=np.array(owner.shards, np.uint8),
        kinds=np.concatenate(kinds),
        keys=admitted.keys[chosen],
        namespaces=admitted.namespaces[chosen],
        counts=admitted.counts[chosen],
        velocities=admitted.velocities[chosen],
        tokens=[admitted.tokens[row] for row in chosen.tolist()],
    )


def best(scores: NDArray[np.floating], keys: U64, n: int) -> NDArray[np.int64]:
    """Places of the n highest scores, highest first; of equal ones the lowest key first."""
    return np.lexsort((keys, -scores))[:n]

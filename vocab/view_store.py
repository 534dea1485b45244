"""Writing the view to Redis, and reading it: one token, and the top, rising and falling of a namespace.

Whoever reads gets what was written last, at the version that it says; a Redis that holds no view, or none yet, is
said to hold none (`VersionNotReached`) and never read as an empty vocabulary.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from redis.asyncio import Redis

from contracts.codec import Codec, RecordT
from contracts.errors import VersionNotReached
from contracts.settings import Settings
from transport.redis_scripts import set_if_newer
from vocab.keys import SHARDS, key_of, shard_of
from vocab.namespaces import Namespace
from vocab.patterns import canonical
from vocab.view import (
    BUCKET_SHIFT,
    KINDS,
    VERSION_BYTES,
    Lists,
    ViewUpdates,
    best,
    bucket_codec,
    bucket_key,
    lists_codec,
    lists_key,
)


@dataclass(frozen=True, slots=True)
class ShownToken:
    """An admitted token at window `version`: decayed count in occurrences, velocity in occurrences a window."""

    namespace: Namespace
    token: str
    key: int
    slot: int
    generation: int
    count: float
    velocity: float
    first_seen: int
    last_seen: int
    version: int


@dataclass(frozen=True, slots=True)
class ListedToken:
    """One line of a list, at window `version`."""

    token: str
    key: int
    count: float
    velocity: float
    version: int


async def write_view(
    redis: Redis, settings: Settings, updates: ViewUpdates, position: tuple[bytes, int] | None = None
) -> int:
    """One round trip; repeating it, or writing an older one late, changes nothing. Returns how many values were new.

    position: the (unprefixed) key and log position to store with them, as `set_if_newer` has it.
    """
    prefix = settings.prefix.encode()
    keys = [prefix + key for key in updates.keys]
    stored = None if position is None else (prefix + position[0], position[1])
    return await set_if_newer(redis, keys, updates.values, settings.features.entity_ttl_s, stored)


async def read_token(redis: Redis, settings: Settings, namespace: Namespace, token: str) -> ShownToken | None:
    """A token as a person writes it (`#Tag`, `tag`); None where it is not admitted.

    Raises `VersionNotReached` while the token's owner has written nothing.
    """
    canonical_token = canonical(namespace, token)
    key = key_of(namespace, canonical_token)
    value = await redis.get(settings.prefix.encode() + bucket_key(settings.vocab.name, key >> BUCKET_SHIFT))
    if value is None:
        raise _no_view(settings)
    version, bucket = _decode(bucket_codec, cast("bytes", value))
    row = int(np.searchsorted(bucket.keys, np.uint64(key)))
    if row == len(bucket.keys) or int(bucket.keys[row]) != key:
        return None
    return ShownToken(
        namespace=namespace,
        token=canonical_token,
        key=key,
        slot=int(bucket.slots[row]),
        generation=int(bucket.generations[row]),
        count=float(bucket.counts[row]),
        velocity=float(bucket.velocities[row]),
        first_seen=int(bucket.first_seen[row]),
        last_seen=int(bucket.last_seen[row]),
        version=version,
    )


async def top(redis: Redis, settings: Settings, namespace: Namespace, n: int) -> list[ListedToken]:
    """The n (at most 100) tokens of the highest decayed counts. Raises `VersionNotReached` for no view."""
    return await _listed(redis, settings, namespace, "top", n)


async def rising(redis: Redis, settings: Settings, namespace: Namespace, n: int) -> list[ListedToken]:
    """The n (at most 100) tokens of the highest velocity above 0. Raises `VersionNotReached` for no view."""
    return await _listed(redis, settings, namespace, "rising", n)


async def falling(redis: Redis, settings: Settings, namespace: Namespace, n: int) -> list[ListedToken]:
    """The n (at most 100) tokens of the lowest velocity below 0. Raises `VersionNotReached` for no view."""
    return await _listed(redis, settings, namespace, "falling", n)


async def _listed(redis: Redis, settings: Settings, namespace: Namespace, kind: str, n: int) -> list[ListedToken]:
    prefix = settings.prefix.encode()
    values = await redis.mget([prefix + lists_key(settings.vocab.name, owner) for owner in range(SHARDS)])
    decoded = [_decode(lists_codec, cast("bytes", value)) for value in values if value is not None]
    if not decoded:
        raise _no_view(settings)
    found: list[ListedToken] = []
    covered = np.zeros(SHARDS, bool)
    # Newest first: of a shard that owners of two divisions of the work have written, the newer list counts.
    for version, lists in sorted(decoded, key=lambda pair: -pair[0]):
        found += _rows(lists, namespace, kind, version, covered)
        covered[lists.shards] = True
    scores = np.array([_score(entry, kind) for entry in found], np.float64)
    keys = np.array([entry.key for entry in found], np.uint64)
    return [found[i] for i in best(scores, keys, n).tolist()]


def _rows(
    lists: Lists, namespace: Namespace, kind: str, version: int, covered: NDArray[np.bool_]
) -> list[ListedToken]:
    here = (lists.namespaces == namespace) & (lists.kinds == KINDS.index(kind)) & ~covered[shard_of(lists.keys)]
    return [
        ListedToken(
            token=lists.tokens[row],
            key=int(lists.keys[row]),
            count=float(lists.counts[row]),
            velocity=float(lists.velocities[row]),
            version=version,
        )
        for row in np.flatnonzero(here).tolist()
    ]


def _score(entry: ListedToken, kind: str) -> float:
    return {"top": entry.count, "rising": entry.velocity, "falling": -entry.velocity}[kind]


def _decode(codec: Codec[RecordT], value: bytes) -> tuple[int, RecordT]:
    return int.from_bytes(value[:VERSION_BYTES], "big"), codec.decode(value[VERSION_BYTES:])


def _no_view(settings: Settings) -> VersionNotReached:
    return VersionNotReached(
        f"Redis holds no view of vocabulary {settings.vocab.name!r} under prefix {settings.prefix!r} yet: "
        "it is written when the first window closes; is `driftline worker` running?"
    )

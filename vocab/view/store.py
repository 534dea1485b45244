"""Writing the view to Redis, and reading it: one token, and the lists of what is frequent, rises and falls.

A reader gets what was written last, with its version. A Redis that holds no view is never read as an empty
vocabulary: readers raise `VersionNotReached`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contracts.arrays import F32
from contracts.errors import VersionNotReached
from contracts.settings import Settings
from transport.ports.redis import VERSION_BYTES, Redis, version_of
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.trends.spans import HORIZONS
from vocab.view.buckets import BUCKET_SHIFT, bucket_codec, bucket_key
from vocab.view.lists import Kind, ListedToken, lists_key, merged, newest_version

if TYPE_CHECKING:
    from vocab.view.updates import ViewUpdates


@dataclass(frozen=True, slots=True)
class ShownToken:
    """An admitted token at window `version`; `count`, by which its slot is decided, is in occurrences.

    counts, velocities: by horizon (`velocity.HORIZONS`), in occurrences and in occurrences an hour.
    """

    namespace: Namespace
    token: str
    key: int
    slot: int
    generation: int
    count: float
    counts: dict[str, float]
    velocities: dict[str, float]
    first_seen: int
    last_seen: int
    version: int


async def write_view(
    redis: Redis, settings: Settings, updates: "ViewUpdates", position: tuple[bytes, int] | None = None
) -> int:
    """Writes in one round trip; repeating it, or writing an older view late, changes nothing. Returns how many values
    were new.

    position: the (unprefixed) key and log position to store with them, as `Redis.set_if_newer` has it.
    Raises `ServerUnavailable`.
    """
    prefix = settings.prefix.encode()
    keys = [prefix + key for key in updates.keys]
    stored = None if position is None else (prefix + position[0], position[1])
    return await redis.set_if_newer(keys, updates.values, settings.features.entity_ttl_s, stored)


async def read_token(redis: Redis, settings: Settings, namespace: Namespace, token: str) -> ShownToken | None:
    """A token as a person writes it (`#Tag`, `tag`); None where it is not admitted.

    Raises `VersionNotReached` while the token's owner has written nothing, and `ServerUnavailable`.
    """
    from vocab.tokens.patterns import canonical  # the tables of Unicode, which a list of tokens has no need of

    token = canonical(namespace, token)
    key = key_of(namespace, token)
    (value,) = await redis.mget([settings.prefix.encode() + bucket_key(settings.vocab.name, key >> BUCKET_SHIFT)])
    if value is None:
        raise no_view(settings)
    return token_in(value, namespace, token)[1]


def token_in(value: bytes, namespace: Namespace, token: str) -> tuple[int, ShownToken | None]:
    """(version of the bucket's value, a canonical token in it or None)."""
    version, bucket = version_of(value), bucket_codec.deserialize(value[VERSION_BYTES:])
    key = key_of(namespace, token)
    row = int(np.searchsorted(bucket.keys, np.uint64(key)))
    if row == len(bucket.keys) or int(bucket.keys[row]) != key:
        return version, None
    return version, ShownToken(
        namespace=namespace,
        token=token,
        key=key,
        slot=int(bucket.slots[row]),
        generation=int(bucket.generations[row]),
        count=float(bucket.counts[row]),
        counts=_by_horizon(bucket.horizon_counts, row),
        velocities=_by_horizon(bucket.velocities, row),
        first_seen=int(bucket.first_seen[row]),
        last_seen=int(bucket.last_seen[row]),
        version=version,
    )


async def read_list(
    redis: Redis,
    settings: Settings,
    kind: Kind,
    namespace: Namespace | None,
    n: int,
    *,
    language: str = "all",
    over: str = "1h",
) -> list[ListedToken]:
    """The n best tokens of a list: `top` by count, `rising` and `falling` by score (`lists.py`).

    With no namespace, of all of them. Raises `VersionNotReached` for no view, `NoSuchList` for a language or horizon
    without lists, and `ServerUnavailable`.
    """
    prefix = settings.prefix.encode()
    keys = [prefix + lists_key(settings.vocab.name, owner) for owner in range(settings.vocab.shards)]
    values = await redis.mget(keys)
    if newest_version(values) is None:
        raise no_view(settings)
    return merged(values, kind, namespace, language, over, n)


def _by_horizon(column: F32, row: int) -> dict[str, float]:
    wide = len(HORIZONS)
    return dict(zip(HORIZONS, column[row * wide : (row + 1) * wide].tolist(), strict=True))


def no_view(settings: Settings) -> VersionNotReached:
    """The error for a Redis that holds no view."""
    return VersionNotReached(
        f"Redis holds no view of vocabulary {settings.vocab.name!r} under prefix {settings.prefix!r} yet: "
        "it is written when a window closes; is `driftline worker` running?"
    )

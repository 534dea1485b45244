"""The vocabulary as it is now, out of its view in Redis (`vocab/view.py` has the layout)."""

import heapq
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from contracts.settings import Settings
from driftline.inspect.vocab_log import NoSuchToken
from featurestore.store_errors import unavailable_as_such
from transport.redis_connection import connect_blocking
from vocab.keys import SHARDS, key_of
from vocab.namespaces import Namespace
from vocab.view import BUCKET_SHIFT, KINDS, VERSION_BYTES, Lists, bucket_codec, bucket_key, lists_codec, lists_key


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a list. `count`: decayed, in occurrences. `velocity`: in occurrences a window."""

    kind: str
    token: str
    key: str
    count: float
    velocity: float


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """An admitted token; `version`, `first_seen` and `last_seen` are windows, the times when those began."""

    kind: str
    token: str
    key: str
    version: int
    slot: int
    generation: int
    count: float
    velocity: float
    first_seen: int
    first_seen_ms: int
    last_seen: int
    last_seen_ms: int


class Movers(msgspec.Struct, frozen=True, kw_only=True):
    """What rose and fell fastest as of one window, the fastest first."""

    version: int
    rising: list[Token]
    falling: list[Token]


_SCORE: dict[str, Callable[[Token], float]] = {  # the least is the best
    "top": lambda token: -token.count,
    "rising": lambda token: -token.velocity,
    "falling": lambda token: token.velocity,
}


def top(settings: Settings, kind: str, count: int) -> list[Token]:
    """The most frequent admitted tokens of one kind (a namespace's name), or of every kind for `all`."""
    return _list(settings, "top", kind, count)


def rising(settings: Settings, kind: str, count: int) -> list[Token]:
    """Those whose frequency rises fastest."""
    return _list(settings, "rising", kind, count)


def falling(settings: Settings, kind: str, count: int) -> list[Token]:
    """Those whose frequency falls fastest."""
    return _list(settings, "falling", kind, count)


def movers(settings: Settings, kind: str, count: int) -> Movers | None:
    """What rises and falls fastest as of the newest window in the view; None before there is one."""
    lists = _current_lists(settings)
    if not lists:
        return None
    return Movers(
        version=max(version for version, _ in lists),
        rising=_best(lists, "rising", kind, count),
        falling=_best(lists, "falling", kind, count),
    )


def find(settings: Settings, namespace: Namespace, token: str) -> Admitted:
    """An admitted token. Raises `NoSuchToken` for one that has no slot now."""
    key = key_of(namespace, token)
    value = _get(settings, [bucket_key(settings.vocab.name, key >> BUCKET_SHIFT)])[0]
    if value is None:
        raise NoSuchToken(
            f"vocabulary {settings.vocab.name!r} has no view in Redis (prefix {settings.prefix!r}): "
            "no window has been decided yet, or Redis was wiped and no window has been decided since"
        )
    bucket = bucket_codec.decode(value[VERSION_BYTES:])
    version = int.from_bytes(value[:VERSION_BYTES], "big")
    places = np.flatnonzero(bucket.keys == np.uint64(key))
    if not len(places):
        raise NoSuchToken(
            f"{namespace.name.lower()} {token!r} has no slot at window {version}; "
            "`driftline vocab history` shows whether it had one"
        )
    place = int(places[0])
    first, last = int(bucket.first_seen[place]), int(bucket.last_seen[place])
    return Admitted(
        kind=namespace.name.lower(),
        token=token,
        key=f"{key:016x}",
        version=version,
        slot=int(bucket.slots[place]),
        generation=int(bucket.generations[place]),
        count=float(bucket.counts[place]),
        velocity=float(bucket.velocities[place]),
        first_seen=first,
        first_seen_ms=first * settings.time.window_ms,
        last_seen=last,
        last_seen_ms=last * settings.time.window_ms,
    )


def _list(settings: Settings, which: str, kind: str, count: int) -> list[Token]:
    """Merged from all owners' lists, best first; ties by key."""
    if kind != "all" and kind.upper() not in Namespace.__members__:
        names = ", ".join(member.name.lower() for member in Namespace)
        raise NoSuchToken(f"no kind {kind!r} of tokens; there are all, {names}")
    return _best(_current_lists(settings), which, kind, count)


def _best(lists: Sequence[tuple[int, Lists]], which: str, kind: str, count: int) -> list[Token]:
    tokens = (token for _, each in lists for token in _tokens(each, KINDS.index(which), kind))
    return heapq.nsmallest(count, tokens, key=lambda token: (_SCORE[which](token), token.key))


def _tokens(lists: Lists, which: int, kind: str) -> Iterator[Token]:
    for place in np.flatnonzero(lists.kinds == which).tolist():
        name = Namespace(lists.namespaces[place]).name.lower()
        if kind in ("all", name):
            yield Token(
                kind=name,
                token=lists.tokens[place],
                key=f"{int(lists.keys[place]):016x}",
                count=float(lists.counts[place]),
                velocity=float(lists.velocities[place]),
            )


def _current_lists(settings: Settings) -> list[tuple[int, Lists]]:
    """(version, lists), one for every shard: where two name a shard (the work was divided anew), the newer."""
    values = _get(settings, [lists_key(settings.vocab.name, owner) for owner in range(SHARDS)])
    taken: set[int] = set()
    current = []
    for value in sorted((value for value in values if value is not None), key=_version, reverse=True):
        lists = lists_codec.decode(value[VERSION_BYTES:])
        shards = set(lists.shards.tolist())
        if not shards & taken:
            taken |= shards
            current.append((int.from_bytes(_version(value), "big"), lists))
    return current


def _version(value: bytes) -> bytes:
    """Big-endian: bytes sort as the numbers do."""
    return value[:VERSION_BYTES]


def _get(settings: Settings, keys: Sequence[bytes]) -> list[bytes | None]:
    """Values of keys that may lie on several nodes, in one round trip."""
    with (
        unavailable_as_such(settings),
        connect_blocking(settings) as redis,
        redis.pipeline(transaction=False) as each,
    ):
        for key in keys:
            each.get(settings.prefix.encode() + key)
        values: list[bytes | None] = each.execute()
    return values

"""The present vocabulary, read from its view in Redis (`vocab/view/updates.py` has the layout)."""

from collections.abc import Sequence

import msgspec

from contracts.settings import Settings
from driftline.inspect.named_tokens import NoSuchToken
from driftline.inspect.redis_values import look_up
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.view.buckets import BUCKET_SHIFT, bucket_key
from vocab.view.lists import Kind, lists_key, merged, merged_drift, newest_version
from vocab.view.store import no_view, token_in


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a list.

    count: over the list's horizon. velocity: in occurrences per hour. score: see `vocab/trends/velocity.py`.
    """

    namespace: str
    token: str
    key: str
    count: float
    velocity: float
    score: float


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """An admitted token.

    version, first_seen, last_seen: windows; first_seen_ms, last_seen_ms: when these began. count: the decayed count
    that decides whether it keeps its slot. counts, velocities: by horizon; velocities in occurrences per hour.
    """

    namespace: str
    token: str
    key: str
    version: int
    slot: int
    generation: int
    count: float
    counts: dict[str, float]
    velocities: dict[str, float]
    first_seen: int
    first_seen_ms: int
    last_seen: int
    last_seen_ms: int


class Movers(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of one namespace that rise and fall fastest at one window, the fastest first."""

    version: int
    namespace: str
    rising: list[Token]
    falling: list[Token]


class DriftNow(msgspec.Struct, frozen=True, kw_only=True):
    """Drift at one window (`vocab/trends/drift.py` defines each figure); None for a figure not yet defined.

    turnover: admissions and evictions per hour and admitted token. outside: namespace -> the share of occurrences in
    the newest window whose token had no slot.
    """

    version: int
    turnover: float | None
    outside: dict[str, float]
    window_distance: float | None
    hour_distance: float | None


def ranked(
    settings: Settings, kind: Kind, namespace: str, count: int, *, language: str = "all", over: str = "1h"
) -> list[Token]:
    """The first `count` tokens of a list, of one namespace or of `all`.

    Raises `NoSuchList`, `NoSuchToken` for an unknown namespace, and `VersionNotReached` if there is no view.
    """
    values = _lists(settings)
    if newest_version(values) is None:
        raise no_view(settings)
    return _ranked(values, kind, namespace, count, language, over)


def movers(settings: Settings, namespace: str, count: int) -> Movers | None:
    """The tokens that rise and fall fastest over an hour, at the newest window in the view; None without a view."""
    values = _lists(settings)
    version = newest_version(values)
    if version is None:
        return None
    return Movers(
        version=version,
        namespace=namespace,
        rising=_ranked(values, "rising", namespace, count, "all", "1h"),
        falling=_ranked(values, "falling", namespace, count, "all", "1h"),
    )


def drift(settings: Settings) -> DriftNow | None:
    """How the vocabulary drifts at the newest window in the view; None without a view."""
    values = _lists(settings)
    version = newest_version(values)
    if version is None:
        return None
    measures = merged_drift(values)
    return DriftNow(
        version=version,
        turnover=measures.turnover,
        outside={namespace.name.lower(): share for namespace, share in measures.outside_shares().items()},
        window_distance=measures.window_distance,
        hour_distance=measures.hour_distance,
    )


def find(settings: Settings, namespace: Namespace, token: str) -> Admitted:
    """An admitted token. Raises `NoSuchToken` if it has no slot now, and `VersionNotReached` if there is no view."""
    key = key_of(namespace, token)
    bucket = bucket_key(settings.vocab.name, key >> BUCKET_SHIFT)
    (value,) = look_up(settings, [settings.prefix.encode() + bucket])
    if value is None:
        raise no_view(settings)
    version, shown = token_in(value, namespace, token)
    if shown is None:
        raise NoSuchToken(
            f"{namespace.name.lower()} {token!r} has no slot at window {version}; "
            "`driftline vocab history` shows whether it ever had one"
        )
    return Admitted(
        namespace=namespace.name.lower(),
        token=token,
        key=f"{key:016x}",
        version=version,
        slot=shown.slot,
        generation=shown.generation,
        count=shown.count,
        counts=shown.counts,
        velocities=shown.velocities,
        first_seen=shown.first_seen,
        first_seen_ms=shown.first_seen * settings.time.window_ms,
        last_seen=shown.last_seen,
        last_seen_ms=shown.last_seen * settings.time.window_ms,
    )


def _ranked(
    values: Sequence[bytes | None], kind: Kind, namespace: str, count: int, language: str, over: str
) -> list[Token]:
    if namespace != "all" and namespace.upper() not in Namespace.__members__:
        names = ", ".join(member.name.lower() for member in Namespace)
        raise NoSuchToken(f"no namespace {namespace!r}; there are all, {names}")
    only = None if namespace == "all" else Namespace[namespace.upper()]
    return [
        Token(
            namespace=token.namespace.name.lower(),
            token=token.token,
            key=f"{token.key:016x}",
            count=token.count,
            velocity=token.velocity,
            score=token.score,
        )
        for token in merged(values, kind, only, language, over, count)
    ]


def _lists(settings: Settings) -> list[bytes | None]:
    prefix, shards = settings.prefix.encode(), settings.vocab.shards
    return look_up(settings, [prefix + lists_key(settings.vocab.name, owner) for owner in range(shards)])

"""The bin edges as people query them in Redis: one absolute value, set only if newer. It is a view of Kafka's log.

    {prefix}bins:edges      version (the window), 8 bytes big-endian; then a MessagePack frame, `ShownEdges`

The owner writes it after each decision and when it starts, so one write restores a wiped Redis. The view goes back
`owner.SHOWN` versions with new edges. An edge takes 4 bytes and a row some 40, so the value has some 50 kB at
most.

    bins = await read_bins(redis, settings)             # the newest edges
    bins = await read_bins(redis, settings, version)    # the edges at that version, which never change
"""

from typing import TYPE_CHECKING

import numpy as np

from contracts.arrays import F32, I32, I64
from contracts.codec import Codec, serialize
from contracts.errors import BadRecord, VersionNotReached, VersionRetired
from contracts.frames import Frame
from contracts.settings import Settings
from featurestore.bins.replica import FrozenBins
from featurestore.features import CONTINUOUS, FEATURE_SET, NUMBER
from transport.ports.redis import VERSION_BYTES, Redis, version_of

if TYPE_CHECKING:
    from featurestore.bins.owner import BinOwner

KEY = b"bins:edges"


class ShownEdges(Frame, frozen=True, kw_only=True):
    """Row i: at version `versions[i]`, feature `features[i]` got the next `lengths[i]` of `edges`.

    Rows ascend by version; a feature's edges hold until its next row. `oldest`: the lowest version that can be read.
    """

    feature_set: str
    oldest: int
    versions: I64
    features: list[str]
    lengths: I32
    edges: F32


_codec = Codec(ShownEdges)


def shown(owner: "BinOwner") -> bytes | None:
    """The value to write; equal states give equal values. None before the first decision."""
    if not owner.version:
        return None
    frame = ShownEdges(
        feature_set=FEATURE_SET,
        oldest=owner.oldest_shown,
        versions=np.array([version for version, _, _ in owner.edge_changes], np.int64),
        features=[CONTINUOUS[number].name for _, number, _ in owner.edge_changes],
        lengths=np.array([len(edges) for _, _, edges in owner.edge_changes], np.int32),
        edges=np.concatenate([np.empty(0, np.float32), *(edges for _, _, edges in owner.edge_changes)]),
    )
    return owner.version.to_bytes(VERSION_BYTES, "big") + serialize(frame)


async def write_bins(redis: Redis, settings: Settings, owner: "BinOwner") -> None:
    """Writes the owner's newest version to Redis. Repeating it, or writing an older version later, changes nothing.

    Raises `ServerUnavailable`.
    """
    value = shown(owner)
    if value is not None:
        await redis.set_if_newer([_key(settings)], [value], settings.features.entity_ttl_s, None)


async def is_shown(redis: Redis, settings: Settings, owner: "BinOwner") -> bool:
    """Whether Redis holds the owner's newest version, or a later one. Raises `ServerUnavailable`."""
    (value,) = await redis.mget([_key(settings)])
    return (0 if value is None else version_of(value)) >= owner.version


async def read_bins(redis: Redis, settings: Settings, version: int | None = None) -> FrozenBins:
    """The edges at `version`, or the newest ones. The result has the version asked for, and no sequence.

    Raises `VersionNotReached` for a version that is not decided yet, or if there is no view; `VersionRetired` for a
    version older than the view covers; `BadRecord` for a view of another feature set, or with more bins than there
    are rows for; `ServerUnavailable`.
    """
    (value,) = await redis.mget([_key(settings)])
    if value is None:
        raise VersionNotReached(
            f"Redis has no view of the bins (prefix {settings.prefix!r}): no window has been decided yet, or Redis"
            " was wiped and the owner of the bins does not run"
        )
    newest, frame = version_of(value), _codec.deserialize(value[VERSION_BYTES:])
    if frame.feature_set != FEATURE_SET:
        raise BadRecord(
            "other_feature_set", f"the view of the bins is of feature set {frame.feature_set}, here is {FEATURE_SET}"
        )
    asked = newest if version is None else version
    if asked > newest:
        raise VersionNotReached(f"bins version {asked} is not reached; the view in Redis is at {newest}")
    if asked < frame.oldest:
        raise VersionRetired(
            f"bins version {asked} is no longer shown; the oldest is {frame.oldest}; `driftline bins show FEATURE"
            f" --version {asked}` reads it from the log"
        )
    try:
        return FrozenBins(asked, _edges_at(frame, asked))
    except ValueError as error:
        raise BadRecord("other_feature_set", f"the view of the bins at version {asked}: {error}") from error


def _edges_at(frame: ShownEdges, version: int) -> dict[int, F32]:
    """Feature number -> its newest edges up to `version`."""
    parts = np.split(frame.edges, np.cumsum(frame.lengths)[:-1]) if len(frame.lengths) else []
    rows = zip(frame.versions.tolist(), frame.features, parts, strict=True)
    return {NUMBER[name]: part for at, name, part in rows if at <= version}


def _key(settings: Settings) -> bytes:
    return settings.prefix.encode() + KEY

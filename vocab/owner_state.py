"""An owner's state as bytes, whole or in parts, at any point between two frames.

Parts, each a versioned MessagePack frame (`contracts.codec`):

    "owner"     OwnerHeader: what the shards have in common
    "shard-NN"  ShardState: tracked keys, generations of slots, open windows' sums, of one shard

Whole: a MessagePack map of part name -> part. Every part names the `cut` it belongs to, so that parts of two moments
are not taken for one state. The bytes are a function of what was observed and decided, not of its order.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.codec import Codec, Frame, encode
from contracts.errors import BadRecord, SnapshotInvalid
from contracts.frames import I32, I64, U8, U32, U64
from contracts.settings import VocabSettings
from vocab.keys import SHARD_SHIFT
from vocab.pending import PendingWindow
from vocab.tracked import TrackedKeys

if TYPE_CHECKING:
    from vocab.owner import VocabularyOwner

HEADER = "owner"


class OwnerHeader(Frame, frozen=True, kw_only=True):
    """`cut`: (version, sum of all sources' closed windows). `waiting`: counted windows without a decision yet."""

    cut: tuple[int, int]
    vocabulary: str
    capacity: int
    rare_slots: int
    shards: list[int]
    source_topics: list[str]
    source_partitions: list[int]
    source_closed: list[int]
    version: int
    first_window: int
    counted: int
    sequence: int
    waiting: list[int]


class ShardState(Frame, frozen=True, kw_only=True):
    """Columns of `TrackedKeys`, their `tokens` ("" = not spelled), `generations` uint32[per_shard], open windows."""

    cut: tuple[int, int]
    keys: U64
    namespaces: U8
    counts: U64
    recent: U64
    first_seen: I64
    last_seen: I64
    slots: I32
    tokens: list[str]
    generations: U32
    open_windows: I64
    open_keys: U64
    open_namespaces: U8
    open_counts: U64
    open_spelled_windows: list[int]
    open_spelled_keys: list[int]
    open_tokens: list[str]


_HEADER = Codec(OwnerHeader)
_SHARD = Codec(ShardState)
_TRACKED = ("keys", "namespaces", "counts", "recent", "first_seen", "last_seen", "slots")


def part_name(shard: int) -> str:
    """The name of a shard's part."""
    return f"shard-{shard:02d}"


def join(parts: Mapping[str, bytes]) -> bytes:
    """Parts as one piece."""
    return msgspec.msgpack.encode(dict(parts))


def split(data: bytes) -> dict[str, bytes]:
    """The inverse of `join`. Raises `SnapshotInvalid`."""
    try:
        return msgspec.msgpack.decode(data, type=dict[str, bytes])
    except msgspec.MsgspecError as error:
        raise SnapshotInvalid(f"vocabulary state: {error}") from error


def to_parts(owner: "VocabularyOwner") -> dict[str, bytes]:
    """Every part of an owner's state."""
    cut = (owner.version, sum(owner.closed.values()))
    header = OwnerHeader(
        cut=cut,
        vocabulary=owner.settings.name,
        capacity=owner.settings.capacity,
        rare_slots=owner.settings.rare_slots,
        shards=owner.shards,
        source_topics=[topic for topic, _ in owner.closed],
        source_partitions=[partition for _, partition in owner.closed],
        source_closed=list(owner.closed.values()),
        version=owner.version,
        first_window=owner.first_window,
        counted=owner.counted,
        sequence=owner.sequence,
        waiting=sorted(owner.pending),
    )
    parts = {HEADER: encode(header)}
    open_windows = {window: owner.pending[window].columns() for window in sorted(owner.pending)}
    for index, (begin, end) in enumerate(owner.tracked.bounds(owner.shards)):
        parts[part_name(owner.shards[index])] = encode(_shard_state(owner, cut, index, begin, end, open_windows))
    return parts


def _shard_state(
    owner: "VocabularyOwner",
    cut: tuple[int, int],
    index: int,
    begin: int,
    end: int,
    open_windows: Mapping[int, tuple[U64, U8, U64]],
) -> ShardState:
    shard = owner.shards[index]
    here = {
        window: tuple(column[columns[0] >> np.uint64(SHARD_SHIFT) == shard] for column in columns)
        for window, columns in open_windows.items()
    }
    spelled = [
        (window, key, token)
        for window in here
        for key, token in sorted(owner.pending[window].spellings.items())
        if key >> SHARD_SHIFT == shard
    ]
    tracked = {name: getattr(owner.tracked, name)[begin:end] for name in _TRACKED}
    lengths = [len(columns[0]) for columns in here.values()]
    return ShardState(
        cut=cut,
        **tracked,
        tokens=[owner.spellings.get(key, "") for key in tracked["keys"].tolist()],
        generations=owner.generations[index],
        open_windows=np.repeat(np.array(list(here), np.int64), lengths),
        open_keys=_flat([columns[0] for columns in here.values()], np.uint64),
        open_namespaces=_flat([columns[1] for columns in here.values()], np.uint8),
        open_counts=_flat([columns[2] for columns in here.values()], np.uint64),
        open_spelled_windows=[window for window, _, _ in spelled],
        open_spelled_keys=[key for _, key, _ in spelled],
        open_tokens=[token for _, _, token in spelled],
    )


def read_header(parts: Mapping[str, bytes], settings: VocabSettings) -> OwnerHeader:
    """The header, checked against the settings. Raises `SnapshotInvalid`."""
    try:
        header = _HEADER.decode(parts[HEADER])
    except (KeyError, BadRecord) as error:
        raise SnapshotInvalid(f"vocabulary state: no readable part {HEADER!r}: {error}") from error
    written = (header.vocabulary, header.capacity, header.rare_slots)
    wanted = (settings.name, settings.capacity, settings.rare_slots)
    if written != wanted:
        raise SnapshotInvalid(
            f"vocabulary state is of (name, capacity, rare_slots) {written}, the settings say {wanted}; "
            "set them back, or give the new vocabulary a name of its own (vocab.name)"
        )
    return header


def sources_of(header: OwnerHeader) -> list[tuple[str, int]]:
    """The sources that a state was made with."""
    return list(zip(header.source_topics, header.source_partitions, strict=True))


def restore(owner: "VocabularyOwner", header: OwnerHeader, parts: Mapping[str, bytes]) -> None:
    """Fills a new owner. Raises `SnapshotInvalid` for a part that is missing, damaged or of another cut."""
    states = [_read_shard(parts, shard, header.cut) for shard in owner.shards]
    owner.version, owner.first_window = header.version, header.first_window
    owner.counted, owner.sequence = header.counted, header.sequence
    owner.closed.update(zip(sources_of(header), header.source_closed, strict=True))
    owner.pending = {window: PendingWindow() for window in header.waiting}
    owner.tracked = TrackedKeys(
        **{name: np.concatenate([getattr(state, name) for state in states]) for name in _TRACKED}
    )
    for index, state in enumerate(states):
        owner.generations[index] = state.generations
        owner.spellings.update(
            (key, token) for key, token in zip(state.keys.tolist(), state.tokens, strict=True) if token
        )
        for window in np.unique(state.open_windows).tolist():
            rows = state.open_windows == window
            owner.pending[window].add(state.open_keys[rows], state.open_namespaces[rows], state.open_counts[rows])
        spelled = zip(state.open_spelled_windows, state.open_spelled_keys, state.open_tokens, strict=True)
        for window, key, token in spelled:
            owner.pending[window].spell([key], [token])


def _read_shard(parts: Mapping[str, bytes], shard: int, cut: tuple[int, int]) -> ShardState:
    name = part_name(shard)
    try:
        state = _SHARD.decode(parts[name])
    except (KeyError, BadRecord) as error:
        raise SnapshotInvalid(f"vocabulary state: no readable part {name!r}: {error}") from error
    if state.cut != cut:
        raise SnapshotInvalid(f"vocabulary state: part {name!r} was written at {state.cut}, the header at {cut}")
    return state


def _flat(columns: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *columns])

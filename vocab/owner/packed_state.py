"""An owner's state as bytes, at any point between two frames: one MessagePack frame (`contracts.codec`), versioned.

The bytes are a function of what was observed and decided, not of its order: columns ascend by key, open windows'
rows by window, then key.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import I32, I64, U8, U16, U32, U64
from contracts.codec import Codec, serialize
from contracts.errors import BadRecord, SnapshotInvalid
from contracts.frames import Frame
from contracts.records import VocabConfigured
from contracts.settings import VocabSettings
from eventtime.pending_windows import PendingWindows, Spilled
from vocab.owner.pending import PendingWindow
from vocab.owner.spellings import Spellings
from vocab.owner.state import OwnerState
from vocab.owner.tracked_keys import TrackedKeys
from vocab.rules import configured, other_shards, settings_of
from vocab.slot_layout import SlotLayout
from vocab.trends import packed_trends
from vocab.trends.packed_trends import PackedTrends


class PackedState(Frame, frozen=True, kw_only=True):
    """An `OwnerState` in columns.

    `settings`: those in effect; `changes`: those that are not yet. `extents`, `rare`: of the `SlotLayout`.
    `source_*`: row i is a source and the newest window that it closed. `keys` to `slots`: columns of `TrackedKeys`,
    with the `tokens` of the keys ("" = not spelled). `generations`: shards x places of a shard. `waiting`: windows
    counted in and not decided yet; row i of `open_*` is a key's sum in one of them, row j of `spelled_*` a spelling.
    `spilled`: window -> (parts, rows) that are stored elsewhere.
    """

    vocabulary: str
    settings: VocabConfigured
    changes: list[VocabConfigured]
    extents: list[list[int]]
    rare: list[int]
    shards: list[int]
    source_topics: list[str]
    source_partitions: list[int]
    source_closed: list[int]
    version: int
    first_window: int
    counted: int
    sequence: int
    keys: U64
    namespaces: U8
    counts: U64
    first_seen: I64
    last_seen: I64
    slots: I32
    tokens: list[str]
    generations: U32
    waiting: list[int]
    open_windows: I64
    open_keys: U64
    open_languages: U16
    open_namespaces: U8
    open_counts: U64
    spelled_windows: list[int]
    spelled_keys: list[int]
    spelled_tokens: list[str]
    spilled: dict[int, tuple[int, int]]
    trends: PackedTrends


_CODEC = Codec(PackedState)
_TRACKED = {
    "keys": np.uint64,
    "namespaces": np.uint8,
    "counts": np.uint64,
    "first_seen": np.int64,
    "last_seen": np.int64,
    "slots": np.int32,
}


def pack(state: OwnerState) -> bytes:
    """The state in bytes; equal states give equal bytes."""
    waiting = sorted(state.pending.held)
    open_columns = [state.pending.held[window].by_language() for window in waiting]
    spellings = [state.pending.held[window].spellings for window in waiting]
    tracked: dict[str, Any] = {
        name: state.tracked.column(name).astype(dtype, copy=False) for name, dtype in _TRACKED.items()
    }
    return serialize(
        PackedState(
            vocabulary=state.settings.name,
            settings=configured(state.settings),
            changes=[state.changes[window] for window in sorted(state.changes)],
            extents=state.layout.to_rows(),
            rare=list(state.layout.rare),
            shards=state.shards,
            source_topics=[topic for topic, _ in state.closed],
            source_partitions=[partition for _, partition in state.closed],
            source_closed=list(state.closed.values()),
            version=state.version,
            first_window=state.first_window,
            counted=state.counted,
            sequence=state.sequence,
            **tracked,
            tokens=state.spellings.of(tracked["keys"]),
            generations=state.generations.reshape(-1),
            waiting=waiting,
            open_windows=np.repeat(np.array(waiting, np.int64), [len(columns[0]) for columns in open_columns]),
            open_keys=_flat([columns[0] for columns in open_columns], np.uint64),
            open_languages=_flat([columns[1] for columns in open_columns], np.uint16),
            open_namespaces=_flat([columns[2] for columns in open_columns], np.uint8),
            open_counts=_flat([columns[3] for columns in open_columns], np.uint64),
            spelled_windows=np.repeat(np.array(waiting, np.int64), [len(spelled) for spelled in spellings]).tolist(),
            spelled_keys=[key for spelled in spellings for key in spelled],
            spelled_tokens=[token for spelled in spellings for token in spelled.of(spelled.keys)],
            spilled={window: (stored.parts, stored.rows) for window, stored in sorted(state.pending.spilled.items())},
            trends=packed_trends.pack(state.trends, state.drift),
        )
    )


def unpack(data: bytes, settings: VocabSettings, window_ms: int) -> OwnerState:
    """The inverse of `pack`. The settings in effect are those in `data`, whatever else `settings` say.

    Raises `SnapshotInvalid` for other bytes and for another vocabulary than `settings` name, and `SettingsError` for
    another number of shards.
    """
    packed = _decode(data, settings)
    layout = SlotLayout.from_rows(packed.extents, packed.rare, packed.settings.shards)
    none = TrackedKeys.none()
    # Decoded columns are read-only: copies, because an owner writes into its own.
    tracked = TrackedKeys(**{name: getattr(packed, name).astype(none.column(name).dtype) for name in _TRACKED})
    held = tracked.slots >= 0
    trends, drift = packed_trends.unpack(packed.trends, window_ms, tracked.keys[held], tracked.namespaces[held])
    sources = zip(packed.source_topics, packed.source_partitions, strict=True)
    return OwnerState(
        settings=settings_of(packed.settings),
        changes={record.from_window: record for record in packed.changes},
        layout=layout,
        shards=packed.shards,
        window_ms=window_ms,
        closed=dict(zip(sources, packed.source_closed, strict=True)),
        version=packed.version,
        first_window=packed.first_window,
        counted=packed.counted,
        sequence=packed.sequence,
        tracked=tracked,
        spellings=_spellings(packed),
        generations=packed.generations.reshape(len(packed.shards), layout.places_per_shard).copy(),
        pending=_pending(packed),
        trends=trends,
        drift=drift,
    )


def _decode(data: bytes, settings: VocabSettings) -> PackedState:
    try:
        packed = _CODEC.deserialize(data)
    except BadRecord as error:
        raise SnapshotInvalid(
            f"vocabulary state: {error}; run the release that wrote it, or begin a new installation with a prefix of "
            "its own (DRIFTLINE_PREFIX)"
        ) from error
    if packed.vocabulary != settings.name:
        raise SnapshotInvalid(
            f"vocabulary state is of {packed.vocabulary!r}, of {packed.settings.shards} shards, the settings name "
            f"{settings.name!r}; set vocab.name and vocab.shards to those, or begin a new installation with a prefix "
            "of its own (DRIFTLINE_PREFIX)"
        )
    if packed.settings.shards != settings.shards:
        raise other_shards(settings.name, packed.settings.shards, settings.shards)
    return packed


def _spellings(packed: PackedState) -> Spellings:
    spellings = Spellings()
    spelled = np.array([token != "" for token in packed.tokens], bool)
    spellings.learn(packed.keys[spelled], [token for token in packed.tokens if token])
    return spellings


def _pending(packed: PackedState) -> PendingWindows[PendingWindow]:
    pending = PendingWindows(PendingWindow)
    pending.spilled = {window: Spilled(*stored) for window, stored in packed.spilled.items()}
    columns = (packed.open_keys, packed.open_languages, packed.open_namespaces, packed.open_counts)
    spelled_windows, spelled_keys = np.array(packed.spelled_windows), np.array(packed.spelled_keys, np.uint64)
    for window in packed.waiting:
        counts = pending.open(window)
        rows = packed.open_windows == window
        counts.add(*(column[rows] for column in columns))
        spelled = np.flatnonzero(spelled_windows == window)
        counts.spellings.learn(spelled_keys[spelled], [packed.spelled_tokens[row] for row in spelled.tolist()])
    return pending


def _flat(columns: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *columns])

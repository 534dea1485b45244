"""An owner's state as bytes, at any point between two frames: one MessagePack frame (`contracts.codec`), versioned.

The bytes are a function of what was observed and decided, not of its order: columns ascend by key, open windows'
rows by window, then key.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from contracts.codec import Codec, Frame, serialize
from contracts.columnar import I32, I64, U8, U16, U32, U64
from contracts.errors import BadRecord, SnapshotInvalid
from contracts.records import VocabConfigured
from contracts.settings import VocabSettings
from vocab.owner.pending import PendingWindow
from vocab.owner.tracked_keys import TrackedKeys
from vocab.rules import configured, other_shards, rules_of, settings_of
from vocab.slot_layout import Layout
from vocab.trends import state as trends_state
from vocab.trends.state import TrendState

if TYPE_CHECKING:
    from vocab.owner.owner import VocabularyOwner


class OwnerState(Frame, frozen=True, kw_only=True):
    """All of a `VocabularyOwner`.

    `settings`: those in effect; `changes`: those that are not yet. `extents`, `rare`: of the `Layout`.
    `source_*`: row i is a source and the newest window that it closed. `keys` to `slots`: columns of `TrackedKeys`,
    with the `tokens` of the keys ("" = not spelled). `generations`: shards x places of a shard. `waiting`: windows
    counted in and not decided yet; row i of `open_*` is a key's sum in one of them, row j of `spelled_*` a spelling.
    Versions 1 and 2 had one table for all namespaces; they cannot be gone on from. Version 3 had 64 shards always.
    """

    v: int = 4
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
    trends: TrendState


_CODEC = Codec(OwnerState)
_TRACKED = {
    "keys": np.uint64,
    "namespaces": np.uint8,
    "counts": np.uint64,
    "first_seen": np.int64,
    "last_seen": np.int64,
    "slots": np.int32,
}


def pack(owner: "VocabularyOwner") -> bytes:
    """The state of an owner."""
    waiting = sorted(owner.pending)
    open_columns = [owner.pending[window].by_language() for window in waiting]
    spellings = [owner.pending[window].spellings for window in waiting]
    tracked: dict[str, Any] = {
        name: owner.tracked.column(name).astype(dtype, copy=False) for name, dtype in _TRACKED.items()
    }
    state = OwnerState(
        vocabulary=owner.settings.name,
        settings=configured(owner.settings),
        changes=[owner.changes[window] for window in sorted(owner.changes)],
        extents=owner.layout.to_rows(),
        rare=list(owner.layout.rare),
        shards=owner.shards,
        source_topics=[topic for topic, _ in owner.closed],
        source_partitions=[partition for _, partition in owner.closed],
        source_closed=list(owner.closed.values()),
        version=owner.version,
        first_window=owner.first_window,
        counted=owner.counted,
        sequence=owner.sequence,
        **tracked,
        tokens=owner.spellings.of(tracked["keys"]),
        generations=owner.generations.reshape(-1),
        waiting=waiting,
        open_windows=np.repeat(np.array(waiting, np.int64), [len(columns[0]) for columns in open_columns]),
        open_keys=_flat([columns[0] for columns in open_columns], np.uint64),
        open_languages=_flat([columns[1] for columns in open_columns], np.uint16),
        open_namespaces=_flat([columns[2] for columns in open_columns], np.uint8),
        open_counts=_flat([columns[3] for columns in open_columns], np.uint64),
        spelled_windows=np.repeat(np.array(waiting, np.int64), [len(spelled) for spelled in spellings]).tolist(),
        spelled_keys=[key for spelled in spellings for key in spelled],
        spelled_tokens=[token for spelled in spellings for token in spelled.of(spelled.keys)],
        trends=trends_state.pack(owner.trends, owner.drift),
    )
    return serialize(state)


def unpack(data: bytes, settings: VocabSettings) -> OwnerState:
    """The state in `data`. Raises `SnapshotInvalid` for bytes that are none, or of another vocabulary than `settings`
    name, and `SettingsError` for another number of shards."""
    try:
        state = _CODEC.deserialize(data)
    except BadRecord as error:
        raise SnapshotInvalid(
            f"vocabulary state: {error}; if a release with one table for all kinds of tokens wrote it, begin a new "
            "installation with a prefix of its own (DRIFTLINE_PREFIX)"
        ) from error
    if state.vocabulary != settings.name:
        raise SnapshotInvalid(
            f"vocabulary state is of {state.vocabulary!r}, of {state.settings.shards} shards, the settings name "
            f"{settings.name!r}; set vocab.name and vocab.shards to those, or begin a new installation with a prefix "
            "of its own (DRIFTLINE_PREFIX)"
        )
    if state.settings.shards != settings.shards:
        raise other_shards(settings.name, state.settings.shards, settings.shards)
    return state


def sources_of(state: OwnerState) -> list[tuple[str, int]]:
    """The sources that a state was made with."""
    return list(zip(state.source_topics, state.source_partitions, strict=True))


def restore(owner: "VocabularyOwner", state: OwnerState) -> None:
    """Fills a new owner of the state's shards and sources."""
    owner.settings = settings_of(state.settings)
    owner.rules = rules_of(owner.settings)
    owner.layout = Layout.from_rows(state.extents, state.rare, state.settings.shards)
    owner.changes = {record.from_window: record for record in state.changes}
    owner.version, owner.first_window = state.version, state.first_window
    owner.counted, owner.sequence = state.counted, state.sequence
    owner.closed.update(zip(sources_of(state), state.source_closed, strict=True))
    none = TrackedKeys.none()  # decoded columns are read-only: copies, because an owner writes into its own
    owner.tracked = TrackedKeys(**{name: getattr(state, name).astype(none.column(name).dtype) for name in _TRACKED})
    held = owner.tracked.slots >= 0
    trends_state.restore(
        owner.trends, owner.drift, state.trends, owner.tracked.keys[held], owner.tracked.namespaces[held]
    )
    owner.generations = state.generations.reshape(len(state.shards), owner.layout.places_per_shard).copy()
    spelled = np.array([token != "" for token in state.tokens], bool)
    owner.spellings.learn(state.keys[spelled], [token for token in state.tokens if token])
    owner.pending = {window: PendingWindow() for window in state.waiting}
    columns = (state.open_keys, state.open_languages, state.open_namespaces, state.open_counts)
    for window, pending in owner.pending.items():
        rows = state.open_windows == window
        pending.add(*(column[rows] for column in columns))
    spelled_windows, spelled_keys = np.array(state.spelled_windows), np.array(state.spelled_keys, np.uint64)
    for window, pending in owner.pending.items():
        rows = np.flatnonzero(spelled_windows == window)
        pending.spellings.learn(spelled_keys[rows], [state.spelled_tokens[row] for row in rows.tolist()])


def _flat(columns: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *columns])

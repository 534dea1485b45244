"""What an owner refuses: frames and settings that it must not take."""

from contracts.arrays import Bools
from contracts.columnar import VocabCounts
from contracts.errors import BadRecord, SettingsError
from contracts.records import VocabConfigured
from eventtime.window_sources import Source
from vocab.keys import shard_of
from vocab.namespaces import Namespace
from vocab.owner.state import OwnerState
from vocab.owner.tracked_keys import MAX_WINDOW
from vocab.rules import other_shards, settings_of


def check_counts(state: OwnerState, owned: Bools, source: Source, frame: VocabCounts) -> None:
    """Raises `BadRecord` for a frame that the owner must not count.

    owned: bool[shards], which of all shards are the owner's. Reasons: `unknown_source`; `malformed` for columns of
    different lengths or a window past 2^32; `late_counts` for a window that the source has closed; `unknown_kind`;
    `foreign_shard`.
    """
    if source not in state.closed:
        raise BadRecord("unknown_source", f"counts of {source[0]}[{source[1]}], which is no source of this owner")
    rows = {len(frame.keys), len(frame.namespaces), len(frame.counts), len(frame.languages)}
    if len(rows) > 1 or len(frame.token_keys) != len(frame.tokens):
        raise BadRecord("malformed", "VocabCounts: columns of different lengths")
    if not 0 <= frame.window <= MAX_WINDOW:
        raise BadRecord("malformed", f"VocabCounts: window {frame.window} is not in 0..{MAX_WINDOW}")
    if frame.window <= state.closed[source] and len(frame.keys):
        raise BadRecord(
            "late_counts",
            f"{source[0]}[{source[1]}] counts in window {frame.window}, which it closed at {state.closed[source]}",
        )
    if len(frame.namespaces) and frame.namespaces.max() >= len(Namespace):
        raise BadRecord("unknown_kind", f"keys of namespace {frame.namespaces.max()}; upgrade this owner")
    for keys in (frame.keys, frame.token_keys):
        if not owned[shard_of(keys, state.settings.shards)].all():
            raise BadRecord("foreign_shard", f"keys of other shards than this owner's {state.shards}")


def check_settings(state: OwnerState, record: VocabConfigured) -> None:
    """Raises `BadRecord` for settings that the owner cannot go by: `foreign_vocabulary`, and as `settings_of` does.

    Raises `SettingsError` for another number of shards: sources then count into shards that this owner does not
    know, and it must not decide on any of it.
    """
    if record.vocabulary != state.settings.name:
        raise BadRecord("foreign_vocabulary", f"settings of {record.vocabulary!r}, not of {state.settings.name!r}")
    if record.shards != state.settings.shards:
        raise other_shards(state.settings.name, record.shards, state.settings.shards)
    try:
        state.layout.changed(settings_of(record))
    except SettingsError as error:
        raise BadRecord("bad_settings", str(error)) from error

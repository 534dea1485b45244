"""The single writer of a set of virtual shards: adds up what all sources counted, and decides once a window.

Pure: frames in, deltas out, no clock, no random numbers. The deltas of a shard are a function of the sources' logs
alone: not of the order in which frames of different sources come, of how they are cut into batches, of when
`close_windows` is called, nor of how many owners the shards are spread over.
"""

from collections.abc import Sequence

import numpy as np

from contracts.columnar import VocabCounts, VocabDelta
from contracts.records import VocabConfigured
from contracts.settings import TimeSettings, VocabSettings
from eventtime.decision_windows import decision_windows
from eventtime.pending_windows import PendingWindows
from eventtime.window_sources import Source
from vocab.owner.admit_and_evict import NO_SLOT
from vocab.owner.apply_decisions import move_keys
from vocab.owner.checks import check_counts, check_settings
from vocab.owner.deltas import make_deltas
from vocab.owner.packed_state import pack, unpack
from vocab.owner.pending import PendingWindow
from vocab.owner.state import OwnerState
from vocab.rules import configured, settings_of

_WINDOW_MS = TimeSettings().window_ms


class VocabularyOwner:
    """Owns the shards of its `state`: others may read that, and only the owner changes it."""

    def __init__(self, state: OwnerState) -> None:
        """Goes on from `state`, which is the owner's from now on."""
        self.state = state
        # Whether this process has made a decision that cut the keys to their bounds.
        self._bounded = False
        self._owned = np.isin(np.arange(state.settings.shards), state.shards)

    @classmethod
    def begin(
        cls,
        settings: VocabSettings,
        shards: Sequence[int],
        sources: frozenset[Source],
        window_ms: int = _WINDOW_MS,
    ) -> "VocabularyOwner":
        """The owner of `shards`, before the first count. sources: all (topic, partition) that count into it.

        `settings` hold until the log says otherwise (`configure`). Raises as `OwnerState.begin` does.
        """
        return cls(OwnerState.begin(settings, shards, sources, window_ms))

    @classmethod
    def from_bytes(cls, settings: VocabSettings, data: bytes, window_ms: int = _WINDOW_MS) -> "VocabularyOwner":
        """An owner that goes on from `to_bytes()`. Raises as `packed_state.unpack` does."""
        return cls(unpack(data, settings, window_ms))

    def to_bytes(self) -> bytes:
        """The whole state; equal states give equal bytes."""
        return pack(self.state)

    def configure(self, record: VocabConfigured) -> None:
        """Takes settings that hold from the first window decided that is not before `from_window`.

        A function of the log as long as every owner takes them before that window can close. Raises as
        `check_settings` does, and changes nothing then.
        """
        check_settings(self.state, record)
        self.state.changes[record.from_window] = record

    def observe(self, frame: VocabCounts) -> None:
        """Takes one source's counts of one window, or its marker. Raises as `check_counts` does, and takes nothing of
        the frame then."""
        state, source = self.state, (frame.source_topic, frame.source_partition)
        check_counts(state, self._owned, source, frame)
        if len(frame.keys) or frame.window > frame.closed_through:
            window = state.pending.open(frame.window)
            window.add(frame.keys, frame.languages, frame.namespaces, frame.counts)
            window.spellings.learn(frame.token_keys, frame.tokens)
        state.closed[source] = max(state.closed[source], frame.closed_through)

    @property
    def pending(self) -> PendingWindows[PendingWindow]:
        """The counts of open windows. Those that are due must have been taken back before `close_windows`."""
        return self.state.pending

    @property
    def closed_through(self) -> int:
        """The newest window that every source has closed."""
        return self.state.closed_through

    def close_windows(self, through: int | None = None) -> list[VocabDelta]:
        """The decisions of all windows that every source has closed by now: ascending, each for every shard.

        through: the last window to decide, if not all are to be.
        """
        deltas: list[VocabDelta] = []
        state = self.state
        last = state.closed_through if through is None else through
        due = list(decision_windows(state.version, state.counted, state.pending, last))
        for window, counted in due:
            deltas.extend(self._decide(window, state.pending.pop(window) if counted else None))
        return deltas

    def _decide(self, window: int, pending: PendingWindow | None) -> list[VocabDelta]:
        state = self.state
        changed = self._take_settings(window)
        elapsed = window - state.version
        counted = pending.columns() if pending else None
        if pending and counted:
            state.tracked.fade(state.left_after(elapsed))
            state.tracked.add(*counted, window)
            state.spellings.merge(pending.spellings)
            state.counted = window
            state.first_window = state.first_window or window
        # A window without counts, under the settings of the decision before, has nothing to cut: that one did.
        may_exceed = counted is not None or changed is not None or not self._bounded
        base, state.version = state.version, window
        state.sequence += 1
        decided, drop = move_keys(state, 0 if counted else elapsed, may_exceed)
        deltas = make_deltas(state, base, decided, changed)
        if drop.any():
            state.spellings.forget(state.tracked.keys[drop])
            state.tracked.keep(~drop)
        state.trends.fade(elapsed)
        state.drift.pass_time(elapsed)
        if counted:
            state.drift.measure_outside(*counted)
        if decided:
            self._follow_admitted()
        if pending and counted:
            state.trends.add(*pending.by_language())
            state.drift.count(window, *counted)
        if may_exceed:
            state.trends.bound(state.settings.shards, sum(rules.per_shard for rules in state.rules))
        self._bounded = True
        return deltas

    def _follow_admitted(self) -> None:
        """Trends and drift are measured of the keys that hold a slot now."""
        tracked = self.state.tracked
        holds = tracked.slots != NO_SLOT
        admitted, namespaces = tracked.keys[holds], tracked.namespaces[holds]
        self.state.trends.admit(admitted)
        self.state.drift.admit(admitted, namespaces)

    def _take_settings(self, window: int) -> VocabConfigured | None:
        """Puts the newest settings that are due in effect. The record that says so, if they change anything; a
        vocabulary's first decision always says what it begins with."""
        state = self.state
        due = sorted(begin for begin in state.changes if begin <= window)
        taken = [state.changes.pop(begin) for begin in due]
        settings = settings_of(taken[-1]) if taken else state.settings
        if settings == state.settings and state.sequence:
            return None
        state.put_in_effect(settings)
        return configured(settings, due[-1] if due else 0)

"""The single writer of a set of virtual shards: adds up what all sources counted, and decides once a window.

Pure: frames in, deltas out, no clock, no random numbers. The deltas of a shard are a function of the sources' logs
alone: not of the order in which frames of different sources come, of how they are cut into batches, of when
`close_windows` is called, nor of how many owners the shards are spread over.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from contracts.columnar import VocabCounts, VocabDelta
from contracts.errors import BadRecord, SettingsError
from contracts.records import VocabConfigured
from contracts.settings import TimeSettings, VocabSettings
from eventtime.decision_windows import decision_windows
from eventtime.sources import Source
from vocab import decay
from vocab.keys import shard_of
from vocab.languages import UND
from vocab.namespaces import Namespace
from vocab.owner import packed_state as owner_state
from vocab.owner.pending import PendingWindow
from vocab.owner.shard import NO_SLOT, UNCHANGED, Decision, decide, forgotten, joined
from vocab.owner.spellings import Spellings
from vocab.owner.tracked_keys import MAX_WINDOW, TrackedKeys
from vocab.rules import configured, other_shards, rules_of, settings_of
from vocab.slot_layout import Layout
from vocab.trends.drift import Drift
from vocab.trends.horizons import Trends

_WINDOW_MS = TimeSettings().window_ms
_KINDS = len(Namespace)


class VocabularyOwner:
    """Owns `shards` of the vocabulary; `sources` are all (topic, partition) that count into it.

    Attributes for readers (`vocab/view/updates.py`): `settings`, those in effect; `version`, the newest window
    decided; `first_window`, the first one counted in; `tracked`, the counted keys; `spellings`, key -> token;
    `trends` and `drift`, of the admitted keys.
    """

    def __init__(
        self,
        settings: VocabSettings,
        shards: Sequence[int],
        sources: frozenset[Source],
        window_ms: int = _WINDOW_MS,
    ) -> None:
        """`settings` hold until the log says otherwise (`configure`). Raises `SettingsError` for contradictions."""
        if not sources:
            raise ValueError("a vocabulary with no sources would never close a window")
        if sorted(set(shards)) != sorted(shards) or not all(0 <= shard < settings.shards for shard in shards):
            raise ValueError(f"shards are distinct numbers of 0..{settings.shards - 1}, got {list(shards)}")
        self.settings = settings
        self.rules = rules_of(settings)
        self.layout = Layout.of(settings)
        self.shards = sorted(shards)
        self.version = 0
        self.first_window = 0
        self.sequence = 0
        self.tracked = TrackedKeys.none()
        self.generations = np.zeros((len(self.shards), self.layout.places_per_shard), np.uint32)
        self.spellings = Spellings()
        self.closed: dict[Source, int] = dict.fromkeys(sorted(sources), 0)
        self.pending: dict[int, PendingWindow] = {}
        self.changes: dict[int, VocabConfigured] = {}  # by the window from which they hold: none in effect yet
        self.counted = 0  # the newest window decided that a source counted in
        self.window_ms = window_ms
        self.trends, self.drift = Trends(window_ms), Drift(window_ms)
        self._bounded = False  # whether a decision has cut what there is to its bounds: one of this process
        self._owned = np.isin(np.arange(settings.shards), self.shards)

    @property
    def closed_through(self) -> int:
        """The newest window that every source has closed; 0 while one has not closed any."""
        return min(self.closed.values())

    @property
    def age(self) -> int:
        """Windows since the vocabulary began, the newest one decided included."""
        return self.version - self.first_window + 1

    def generations_of(self, slots: NDArray[np.int32]) -> NDArray[np.uint32]:
        """How often each of these slots of the owner's was given away. int32[n] -> uint32[n]."""
        _, shards, places = self.layout.locate(slots)
        return self.generations[np.searchsorted(self.shards, shards), places]

    def configure(self, record: VocabConfigured) -> None:
        """Takes settings that hold from the first window decided that is not before `from_window`.

        A function of the log as long as every owner takes them before that window can close. Raises `BadRecord`, and
        changes nothing: `foreign_vocabulary`, and as `settings_of` does. Raises `SettingsError` for another number
        of shards: what the sources count goes elsewhere then, and none of it is to be decided on.
        """
        if record.vocabulary != self.settings.name:
            raise BadRecord("foreign_vocabulary", f"settings of {record.vocabulary!r}, not of {self.settings.name!r}")
        if record.shards != self.settings.shards:
            raise other_shards(self.settings.name, record.shards, self.settings.shards)
        try:
            self.layout.changed(settings_of(record))
        except SettingsError as error:
            raise BadRecord("bad_settings", str(error)) from error
        self.changes[record.from_window] = record

    def observe(self, frame: VocabCounts) -> None:
        """Takes one source's counts of one window, or its marker.

        Raises `BadRecord`, and takes nothing of the frame: `unknown_source`, `foreign_shard`, `malformed` for
        columns of unlike lengths or a window past 2^32, `late_counts` for a window that the source has closed.
        """
        source = (frame.source_topic, frame.source_partition)
        self._check(source, frame)
        if len(frame.keys) or frame.window > frame.closed_through:
            window = self.pending.setdefault(frame.window, PendingWindow())
            languages = frame.languages if len(frame.languages) else np.full(len(frame.keys), UND, np.uint16)
            window.add(frame.keys, languages, frame.namespaces, frame.counts)
            window.spellings.learn(frame.token_keys, frame.tokens)
        self.closed[source] = max(self.closed[source], frame.closed_through)

    def close_windows(self) -> list[VocabDelta]:
        """The decisions of all windows that every source has closed by now: ascending, each for every shard."""
        deltas: list[VocabDelta] = []
        due = decision_windows(self.version, self.counted, list(self.pending), self.closed_through)
        for window, counted in due:
            deltas.extend(self._decide(window, self.pending.pop(window) if counted else None))
        return deltas

    def to_bytes(self) -> bytes:
        """All of the state; the same bytes whatever the order in which it came about. See `packed_state.py`."""
        return owner_state.pack(self)

    @classmethod
    def from_bytes(cls, settings: VocabSettings, data: bytes, window_ms: int = _WINDOW_MS) -> "VocabularyOwner":
        """The inverse of `to_bytes`: with the settings in it, whatever `settings` say but for the vocabulary's name.

        Raises `SnapshotInvalid` for bytes that are none, or of another vocabulary, and `SettingsError` for one of
        another number of shards.
        """
        state = owner_state.unpack(data, settings)
        owner = cls(settings, state.shards, frozenset(owner_state.sources_of(state)), window_ms)
        owner_state.restore(owner, state)
        return owner

    def _check(self, source: Source, frame: VocabCounts) -> None:
        if source not in self.closed:
            raise BadRecord("unknown_source", f"counts of {source[0]}[{source[1]}], which is no source of this owner")
        rows = {len(frame.keys), len(frame.namespaces), len(frame.counts), len(frame.languages) or len(frame.keys)}
        if len(rows) > 1 or len(frame.token_keys) != len(frame.tokens):
            raise BadRecord("malformed", "VocabCounts: columns of unlike lengths")
        if not 0 <= frame.window <= MAX_WINDOW:
            raise BadRecord("malformed", f"VocabCounts: window {frame.window} is not in 0..{MAX_WINDOW}")
        if frame.window <= self.closed[source] and len(frame.keys):
            raise BadRecord(
                "late_counts",
                f"{source[0]}[{source[1]}] counts in window {frame.window}, which it closed at {self.closed[source]}",
            )
        if len(frame.namespaces) and frame.namespaces.max() >= _KINDS:
            raise BadRecord("unknown_kind", f"keys of namespace {frame.namespaces.max()}; upgrade this owner")
        for keys in (frame.keys, frame.token_keys):
            if not self._owned[shard_of(keys, self.settings.shards)].all():
                raise BadRecord("foreign_shard", f"keys of other shards than this owner's {self.shards}")

    def _decide(self, window: int, pending: PendingWindow | None) -> list[VocabDelta]:
        changed = self._take_settings(window)
        elapsed = window - self.version
        counted = pending.columns() if pending else None
        if pending and counted:
            self.tracked.fade(self._left(elapsed))
            self.tracked.add(*counted, window)
            self.spellings.merge(pending.spellings)
            self.counted = window
            self.first_window = self.first_window or window
        # A window without counts, under the settings of the decision before, has nothing to cut: that one did.
        may_exceed = counted is not None or changed is not None or not self._bounded
        base, self.version = self.version, window
        self.sequence += 1
        decided, drop = self._decisions(0 if counted else elapsed, may_exceed)
        deltas = self._deltas(base, decided, changed)
        if drop.any():
            self.spellings.forget(self.tracked.keys[drop])
            self.tracked.keep(~drop)
        self.trends.fade(elapsed)
        self.drift.pass_time(elapsed)
        if counted:
            self.drift.measure_outside(*counted)
        if decided:
            self._show_admitted()
        if pending and counted:
            self.trends.add(*pending.by_language())
            self.drift.count(window, *counted)
        if may_exceed:
            self.trends.bound(self.settings.shards, sum(rules.per_shard for rules in self.rules))
        self._bounded = True
        return deltas

    def _decisions(self, elapsed: int, may_exceed: bool) -> tuple[dict[int, Decision], NDArray[np.bool_]]:
        """(by shard, of those where a key comes or goes, which; the rows to forget). Gives slots and takes them.

        elapsed: windows of decay that are still to be applied.
        """
        tracked, shards = self.tracked, self.settings.shards
        survey = tracked.survey(self._left(elapsed), shards, self.version, self.rules)
        moving, drop, cut = survey.moving, survey.spent, np.zeros(len(survey.moving), bool)
        if may_exceed:
            cut, holding = tracked.crowded(shards, self.rules)
            moving |= holding
        decided: dict[int, list[Decision]] = {}
        for shard, namespace, rows in self._rows_of(np.flatnonzero(moving | cut)):
            counts, slots, rules = tracked.counts[rows], tracked.slots[rows], self.rules[namespace]
            if moving[shard * _KINDS + namespace]:
                idle = tracked.silent(rows, self.version, rules.idle_windows)
                found = decide(counts, slots, idle, rules, self.layout.slots_of(namespace, shard))
                slots[found.evicted] = NO_SLOT
                slots[found.admitted] = found.admitted_slots
                tracked.slots[rows] = slots
                if len(found.admitted) or len(found.evicted):
                    decided.setdefault(shard, []).append(
                        Decision(rows[found.admitted], found.admitted_slots, rows[found.evicted], found.evicted_slots)
                    )
            drop[rows] = forgotten(counts, slots, rules.kept)
        return {shard: joined(decisions) for shard, decisions in decided.items()}, drop

    def _show_admitted(self) -> None:
        """What people see of the decision (`vocab/view/updates.py`): trends and drift of the keys that hold a slot
        now."""
        holds = self.tracked.slots != NO_SLOT
        admitted, namespaces = self.tracked.keys[holds], self.tracked.namespaces[holds]
        self.trends.admit(admitted)
        self.drift.admit(admitted, namespaces)

    def _take_settings(self, window: int) -> int | None:
        """Puts the newest settings that are due in effect; the window from which they hold, if they change anything.

        A vocabulary's first decision says what it begins with.
        """
        due = sorted(begin for begin in self.changes if begin <= window)
        taken = [self.changes.pop(begin) for begin in due]
        settings = settings_of(taken[-1]) if taken else self.settings
        if settings == self.settings and self.sequence:
            return None
        self.settings = settings
        self.rules = rules_of(settings)
        # Where no slot was given away yet, there is nothing that would have to stay.
        self.layout = self.layout.changed(settings) if self.sequence else Layout.of(settings)
        generations = np.zeros((len(self.shards), self.layout.places_per_shard), np.uint32)
        if self.sequence:
            generations[:, : self.generations.shape[1]] = self.generations
        self.generations = generations
        return due[-1] if due else 0

    def _left(self, elapsed: int) -> NDArray[np.uint64]:
        """What decay leaves of counts, by namespace: `decay.factor`."""
        return np.array([decay.factor(rules.half_life_windows, elapsed) for rules in self.rules], np.uint64)

    def _rows_of(self, groups: NDArray[np.int64]) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
        """(shard, namespace, their rows of `tracked`) of groups, shard * namespaces + namespace, ascending."""
        of_shard, of_kind = (part.tolist() for part in np.divmod(groups, _KINDS))
        bounds = self.tracked.bounds(of_shard, self.settings.shards)
        for shard, namespace, (begin, end) in zip(of_shard, of_kind, bounds, strict=True):
            yield shard, namespace, begin + np.flatnonzero(self.tracked.namespaces[begin:end] == namespace)

    def _deltas(self, base: int, decided: Mapping[int, Decision], changed: int | None) -> list[VocabDelta]:
        """One for each shard. Most are alike, and a copy with another number costs a sixth of a new one."""
        alike = VocabDelta(
            vocabulary=self.settings.name,
            shard=0,
            base_version=base,
            version=self.version,
            sequence=self.sequence,
            settings=configured(self.settings, changed) if changed is not None else None,
            **UNCHANGED,
        )
        changes = {shard: self._changes(shard, decision) for shard, decision in decided.items()}
        return [replace(alike, shard=shard, **changes.get(shard, {})) for shard in self.shards]

    def _changes(self, shard: int, decision: Decision) -> dict[str, Any]:
        """The columns of a shard's delta."""
        keys = self.tracked.keys[decision.admitted]
        generations = self.generations[self.shards.index(shard)]
        _, _, places = self.layout.locate(decision.admitted_slots)
        generations[places] += 1
        return {
            "admitted_keys": keys,
            "admitted_slots": decision.admitted_slots,
            "admitted_generations": generations[places],
            "admitted_namespaces": self.tracked.namespaces[decision.admitted],
            "admitted_tokens": self.spellings.of(keys),
            "evicted_keys": self.tracked.keys[decision.evicted],
            "evicted_slots": decision.evicted_slots,
        }

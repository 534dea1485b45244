"""The single writer of a set of virtual shards: adds up what all sources counted, and decides once a window.

Pure: frames in, deltas out, no clock, no random numbers. The deltas of a shard are a function of the sources' logs
alone: not of the order in which frames of different sources come, of how they are cut into batches, of when
`close_windows` is called, nor of how many owners the shards are spread over.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadRecord
from contracts.frames import VocabCounts, VocabDelta, empty
from contracts.settings import TimeSettings, VocabSettings
from vocab import decay, owner_state
from vocab.drift import Drift
from vocab.keys import SHARDS, shard_of
from vocab.languages import UND
from vocab.pending import PendingWindow
from vocab.schedule import decision_windows
from vocab.shard import NO_CHANGE, NO_SLOT, Decision, Rules, decide, forgotten
from vocab.spellings import Spellings
from vocab.tracked import MAX_WINDOW, TrackedKeys
from vocab.trends import Trends

Source = tuple[str, int]

_WINDOW_MS = TimeSettings().window_ms
_NO_KEYS = empty(np.uint64)
_NO_GENERATIONS = empty(np.uint32)
_NO_NAMESPACES = empty(np.uint8)


class VocabularyOwner:
    """Owns `shards` of the vocabulary; `sources` are all (topic, partition) that count into it.

    Attributes for readers (`view.py`): `version`, the newest window decided; `first_window`, the first one counted
    in; `tracked`, the counted keys; `generations` uint32[len(shards), per_shard], how often each slot was given
    away so far; `spellings`, key -> token; `trends` and `drift`, of the admitted keys.
    """

    def __init__(
        self,
        settings: VocabSettings,
        shards: Sequence[int],
        sources: frozenset[Source],
        window_ms: int = _WINDOW_MS,
    ) -> None:
        if not sources:
            raise ValueError("a vocabulary with no sources would never close a window")
        if sorted(set(shards)) != sorted(shards) or not all(0 <= shard < SHARDS for shard in shards):
            raise ValueError(f"shards are distinct numbers of 0..{SHARDS - 1}, got {list(shards)}")
        self.settings = settings
        self.rules = Rules.of(settings)
        self.shards = sorted(shards)
        self.version = 0
        self.first_window = 0
        self.sequence = 0
        self.tracked = TrackedKeys.none()
        self.generations = np.zeros((len(self.shards), self.rules.per_shard), np.uint32)
        self.spellings = Spellings()
        self.closed: dict[Source, int] = dict.fromkeys(sorted(sources), 0)
        self.pending: dict[int, PendingWindow] = {}
        self.counted = 0  # the newest window decided that a source counted in
        self.window_ms = window_ms
        self.trends, self.drift = Trends(window_ms), Drift(window_ms)
        self._owned = np.isin(np.arange(SHARDS), self.shards)

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
        shards, places = np.divmod(slots - self.rules.rare_slots, self.rules.per_shard)
        return self.generations[np.searchsorted(self.shards, shards), places]

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
        """All of the state; the same bytes whatever the order in which it came about. See `owner_state.py`."""
        return owner_state.pack(self)

    @classmethod
    def from_bytes(cls, settings: VocabSettings, data: bytes, window_ms: int = _WINDOW_MS) -> "VocabularyOwner":
        """The inverse of `to_bytes`. Raises `SnapshotInvalid` for bytes that are none, or of other settings."""
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
        for keys in (frame.keys, frame.token_keys):
            if not self._owned[shard_of(keys)].all():
                raise BadRecord("foreign_shard", f"keys of other shards than this owner's {self.shards}")

    def _decide(self, window: int, pending: PendingWindow | None) -> list[VocabDelta]:
        left = decay.factor(self.settings.half_life_windows, window - self.version)
        self.tracked.fade(np.full(256, left, np.uint64))
        if pending:
            self.tracked.add(*pending.columns(), window)
            self.spellings.merge(pending.spellings)
            self.counted = window
            self.first_window = self.first_window or window
        base, self.version = self.version, window
        self.sequence += 1
        drop = np.zeros(len(self.tracked), bool)
        decisions = []
        busy = self._busy()
        for shard, (begin, end) in zip(self.shards, self.tracked.bounds(self.shards), strict=True):
            if not busy[shard]:
                decisions.append((shard, begin, NO_CHANGE))
                continue
            counts, slots = self.tracked.counts[begin:end], self.tracked.slots[begin:end]
            decision = decide(counts, slots, self.rules, self.rules.first_slot(shard))
            slots[decision.evicted] = NO_SLOT
            slots[decision.admitted] = decision.admitted_slots
            drop[begin:end] = forgotten(counts, slots, self.rules.kept)
            decisions.append((shard, begin, decision))
        deltas = [self._delta(shard, base, begin, decision) for shard, begin, decision in decisions]
        self._forget(drop)
        self._follow(window - base, pending)
        return deltas

    def _follow(self, elapsed: int, pending: PendingWindow | None) -> None:
        """What people see of the decision (`view.py`): trends and drift of the keys that hold a slot now."""
        holds = self.tracked.slots != NO_SLOT
        admitted, namespaces = self.tracked.keys[holds], self.tracked.namespaces[holds]
        self.trends.fade(elapsed)
        self.drift.pass_time(elapsed)
        if pending:
            self.drift.measure_outside(*pending.columns())
        self.trends.admit(admitted)
        self.drift.admit(admitted, namespaces)
        if pending:
            self.trends.add(*pending.by_language())
            self.drift.count(self.version, *pending.columns())
        self.trends.bound(self.settings.capacity // SHARDS)

    def _busy(self) -> NDArray[np.bool_]:
        """bool[64]: the shards in which a key may come, go or be forgotten. In most windows most have none."""
        tracked, shards = self.tracked, shard_of(self.tracked.keys)
        waiting = tracked.slots == NO_SLOT
        comes_or_goes = (tracked.counts >= np.uint64(self.rules.admit_at)) | (tracked.counts == 0)
        notable = np.where(waiting, comes_or_goes, tracked.counts < np.uint64(self.rules.evict_below))
        busy = np.bincount(shards[waiting], minlength=SHARDS) > self.rules.kept
        busy[shards[notable]] = True
        return busy

    def _delta(self, shard: int, base: int, begin: int, decision: Decision) -> VocabDelta:
        if decision is NO_CHANGE:
            return self._quiet_delta(shard, base)
        keys = self.tracked.keys[begin + decision.admitted]
        generations = self.generations[self.shards.index(shard)]
        places = decision.admitted_slots - self.rules.first_slot(shard)
        generations[places] += 1
        return VocabDelta(
            vocabulary=self.settings.name,
            shard=shard,
            base_version=base,
            version=self.version,
            sequence=self.sequence,
            admitted_keys=keys,
            admitted_slots=decision.admitted_slots,
            admitted_generations=generations[places],
            admitted_namespaces=self.tracked.namespaces[begin + decision.admitted],
            admitted_tokens=self.spellings.of(keys),
            evicted_keys=self.tracked.keys[begin + decision.evicted],
            evicted_slots=decision.evicted_slots,
        )

    def _quiet_delta(self, shard: int, base: int) -> VocabDelta:
        return VocabDelta(
            vocabulary=self.settings.name,
            shard=shard,
            base_version=base,
            version=self.version,
            sequence=self.sequence,
            admitted_keys=_NO_KEYS,
            admitted_slots=NO_CHANGE.admitted_slots,
            admitted_generations=_NO_GENERATIONS,
            admitted_namespaces=_NO_NAMESPACES,
            admitted_tokens=[],
            evicted_keys=_NO_KEYS,
            evicted_slots=NO_CHANGE.evicted_slots,
        )

    def _forget(self, drop: NDArray[np.bool_]) -> None:
        if drop.any():
            self.spellings.forget(self.tracked.keys[drop])
            self.tracked.keep(~drop)

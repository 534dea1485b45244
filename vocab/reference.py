"""The owner as one would write it first: one dictionary a shard, one key at a time. Slow; what the owner must equal.

Decay, thresholds, schedule and shards are its own words for the rules in `shard.py`, `schedule.py` and `decay.py`; it
shares with the owner the settings and `decay.factor`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.frames import VocabCounts, VocabDelta
from contracts.settings import VocabSettings
from vocab.decay import ONE, add_one, decay_one, factor


@dataclass(slots=True)
class _Key:
    namespace: int
    count: int = 0
    slot: int = -1
    token: str = ""


@dataclass(slots=True)
class _Window:
    counts: dict[int, int] = field(default_factory=dict)
    namespaces: dict[int, int] = field(default_factory=dict)
    tokens: dict[int, str] = field(default_factory=dict)


class ReferenceOwner:
    """`VocabularyOwner` in plain Python: `observe` and `close_windows`, no checks, no saved state."""

    def __init__(self, settings: VocabSettings, shards: Sequence[int], sources: frozenset[tuple[str, int]]) -> None:
        self.settings = settings
        self.per_shard = settings.capacity // 64
        self.keys: dict[int, dict[int, _Key]] = {shard: {} for shard in sorted(shards)}
        self.generations: dict[int, int] = {}
        self.closed = dict.fromkeys(sources, 0)
        self.windows: dict[int, _Window] = {}
        self.version = self.counted = self.sequence = 0

    def observe(self, frame: VocabCounts) -> None:
        """Adds a frame's counts to its window."""
        if len(frame.keys) or frame.window > frame.closed_through:
            window = self.windows.setdefault(frame.window, _Window())
            rows = zip(frame.keys.tolist(), frame.namespaces.tolist(), frame.counts.tolist(), strict=True)
            for key, namespace, count in rows:
                window.counts[key] = window.counts.get(key, 0) + count
                window.namespaces[key] = min(namespace, window.namespaces.get(key, namespace))
            for key, token in zip(frame.token_keys.tolist(), frame.tokens, strict=True):
                window.tokens[key] = min(token, window.tokens.get(key, token))
        source = (frame.source_topic, frame.source_partition)
        self.closed[source] = max(self.closed[source], frame.closed_through)

    def close_windows(self) -> list[VocabDelta]:
        """Walks over the windows one by one."""
        deltas = []
        for window in range(self._first_open(), min(self.closed.values()) + 1):
            gap = window - self.counted
            due = self.counted and (gap <= 16 or gap & (gap - 1) == 0)
            if window in self.windows or due:
                deltas += self._decide(window, self.windows.pop(window, None))
        return deltas

    def _first_open(self) -> int:
        return self.version + 1 if self.version else min(self.windows, default=1)

    def _decide(self, window: int, counted: _Window | None) -> list[VocabDelta]:
        left = factor(self.settings.half_life_windows, window - self.version)
        base, self.version, self.sequence = self.version, window, self.sequence + 1
        if counted:
            self.counted = window
        return [self._decide_shard(shard, base, left, counted) for shard in self.keys]

    def _decide_shard(self, shard: int, base: int, left: int, counted: _Window | None) -> VocabDelta:
        keys = self.keys[shard]
        for state in keys.values():
            state.count = decay_one(state.count, left)
        for key, count in (counted.counts if counted else {}).items():
            if counted and key >> 58 == shard:
                state = keys.setdefault(key, _Key(counted.namespaces[key]))
                state.count = add_one(state.count, count)
                token = counted.tokens.get(key, "")
                state.token = min(state.token, token) if state.token and token else state.token or token
        evicted = self._evict(keys)
        admitted = self._admit(shard, keys, evicted)
        self._forget(keys)
        return self._delta(shard, base, keys, admitted, evicted)

    def _evict(self, keys: dict[int, _Key]) -> dict[int, int]:
        evicted = {}
        for key, state in keys.items():
            if state.slot >= 0 and state.count < self.settings.evict_below * ONE:
                evicted[key], state.slot = state.slot, -1
        return evicted

    def _admit(self, shard: int, keys: dict[int, _Key], evicted: dict[int, int]) -> dict[int, int]:
        waiting = [k for k, s in keys.items() if s.slot < 0 and s.count >= self.settings.admit_at * ONE]
        waiting.sort(key=lambda key: (-keys[key].count, key))
        incumbents = [key for key, state in keys.items() if state.slot >= 0]
        incumbents.sort(key=lambda key: (keys[key].count, key))
        first = self.settings.rare_slots + shard * self.per_shard
        free = set(range(first, first + self.per_shard)) - {keys[key].slot for key in incumbents}
        winners, places = waiting[: len(free)], sorted(free)[: len(waiting)]
        replaced = []
        for newcomer, weakest in zip(waiting[len(free) :], incumbents, strict=False):
            weak = keys[weakest].count
            if keys[newcomer].count - weak <= weak >> 2:
                break
            winners.append(newcomer)
            replaced.append(weakest)
        places += sorted(keys[key].slot for key in replaced)
        for key in replaced:
            evicted[key], keys[key].slot = keys[key].slot, -1
        for key, slot in zip(winners, places, strict=True):
            keys[key].slot = slot
            self.generations[slot] = self.generations.get(slot, 0) + 1
        return dict(zip(winners, places, strict=True))

    def _forget(self, keys: dict[int, _Key]) -> None:
        waiting = [key for key, state in keys.items() if state.slot < 0]
        waiting.sort(key=lambda key: (-keys[key].count, key))
        stay = int(self.settings.candidates_per_slot * self.per_shard)
        for rank, key in enumerate(waiting):
            if rank >= stay or keys[key].count == 0:
                del keys[key]

    def _delta(
        self, shard: int, base: int, keys: dict[int, _Key], admitted: dict[int, int], evicted: dict[int, int]
    ) -> VocabDelta:
        new, gone = sorted(admitted), sorted(evicted)
        return VocabDelta(
            vocabulary=self.settings.name,
            shard=shard,
            base_version=base,
            version=self.version,
            sequence=self.sequence,
            admitted_keys=np.array(new, np.uint64),
            admitted_slots=np.array([admitted[key] for key in new], np.int32),
            admitted_generations=np.array([self.generations[admitted[key]] for key in new], np.uint32),
            admitted_namespaces=np.array([keys[key].namespace for key in new], np.uint8),
            admitted_tokens=[keys[key].token for key in new],
            evicted_keys=np.array(gone, np.uint64),
            evicted_slots=np.array([evicted[key] for key in gone], np.int32),
        )

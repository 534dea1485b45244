"""The owner in plain Python: one dictionary for each shard, one key at a time. Slow; the owner must equal it.

The rules of `admit_and_evict.py`, `eventtime/decision_windows.py`, `vocab/decay.py` and `vocab/slot_layout.py` are
written a second time here. Shared with the owner are only the settings, how they are logged, and `decay.factor`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.columnar import VocabCounts, VocabDelta
from contracts.records import VocabConfigured
from contracts.settings import KindSettings, VocabSettings
from vocab.decay import ONE, add_one, decay_one, factor
from vocab.rules import configured, settings_of

REGIONS = {
    "text": ("word", "bigram", "emoji", "lang"),
    "names": ("hashtag", "mention", "cashtag", "domain", "author"),
    "viewers": ("viewer",),
}


@dataclass(slots=True)
class _Key:
    namespace: int
    count: int = 0
    seen: int = 0
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
        self.changes: dict[int, VocabConfigured] = {}
        self.shards = settings.shards
        self.rows = 0
        self.extents: list[tuple[str, int, int]] = []  # (kind or region, first row, slots of a shard or rows)
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

    def configure(self, record: VocabConfigured) -> None:
        """Remembers settings until their window comes."""
        self.changes[record.from_window] = record

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
        changed = self._take_settings(window)
        left = {kind: factor(each.half_life_windows, window - self.version) for kind, each in self._kinds().items()}
        base, self.version, self.sequence = self.version, window, self.sequence + 1
        if counted:
            self.counted = window
        return [self._decide_shard(shard, base, left, counted, changed) for shard in self.keys]

    def _take_settings(self, window: int) -> VocabConfigured | None:
        from_window, settings = 0, self.settings
        for begin in sorted(begin for begin in self.changes if begin <= window):
            from_window, settings = begin, settings_of(self.changes.pop(begin))
        if self.sequence and settings == self.settings:
            return None
        self.settings = settings
        wanted = {
            region: sum(getattr(settings, kind).rare_slots for kind in kinds) for region, kinds in REGIONS.items()
        }
        for name in [*REGIONS, *settings.kinds]:
            size = wanted[name] if name in REGIONS else getattr(settings, name).capacity // self.shards
            more = size - sum(extent[2] for extent in self.extents if extent[0] == name)
            if more > 0:
                self.extents.append((name, self.rows, more))
                self.rows += more if name in REGIONS else more * self.shards
        return configured(settings, from_window)

    def _kinds(self) -> dict[int, KindSettings]:
        return dict(enumerate(self.settings.kinds.values()))

    def _decide_shard(
        self, shard: int, base: int, left: dict[int, int], counted: _Window | None, changed: VocabConfigured | None
    ) -> VocabDelta:
        keys = self.keys[shard]
        for state in keys.values():
            state.count = decay_one(state.count, left[state.namespace])
        for key, count in (counted.counts if counted else {}).items():
            if counted and key * self.shards >> 64 == shard:
                state = keys.setdefault(key, _Key(counted.namespaces[key]))
                state.count, state.seen = add_one(state.count, count), self.version
                token = counted.tokens.get(key, "")
                state.token = min(state.token, token) if state.token and token else state.token or token
        admitted: dict[int, int] = {}
        evicted: dict[int, int] = {}
        for namespace, kind in self._kinds().items():
            mine = {key: state for key, state in keys.items() if state.namespace == namespace}
            gone = self._evict(mine, kind)
            admitted |= self._admit(shard, namespace, mine, gone)
            evicted |= gone
            for key in self._forgotten(mine, kind):
                del keys[key]
        return self._delta(shard, base, keys, admitted, evicted, changed)

    def _evict(self, keys: dict[int, _Key], kind: KindSettings) -> dict[int, int]:
        evicted = {}
        for key, state in keys.items():
            faded = state.count < kind.evict_below * ONE or self.version - state.seen >= kind.idle_windows
            if state.slot >= 0 and faded:
                evicted[key], state.slot = state.slot, -1
        held = sorted((state.count, key) for key, state in keys.items() if state.slot >= 0)
        for _, key in held[: max(0, len(held) - kind.capacity // self.shards)]:
            evicted[key], keys[key].slot = keys[key].slot, -1
        return evicted

    def _admit(self, shard: int, namespace: int, keys: dict[int, _Key], evicted: dict[int, int]) -> dict[int, int]:
        kind = self._kinds()[namespace]
        waiting = [
            key
            for key, state in keys.items()
            if state.slot < 0
            and key not in evicted
            and state.count >= kind.admit_at * ONE
            and self.version - state.seen < kind.idle_windows
        ]
        waiting.sort(key=lambda key: (-keys[key].count, key))
        incumbents = [key for key, state in keys.items() if state.slot >= 0]
        incumbents.sort(key=lambda key: (keys[key].count, key))
        name = list(self.settings.kinds)[namespace]
        slots = {first + shard * size + i for of, first, size in self.extents if of == name for i in range(size)}
        free = sorted(slots - {keys[key].slot for key in incumbents})[
            : kind.capacity // self.shards - len(incumbents)
        ]
        winners, places = waiting[: len(free)], free[: len(waiting)]
        replaced = []
        for newcomer, weakest in zip(waiting[len(free) :], incumbents, strict=False):
            weak = keys[weakest].count
            if keys[newcomer].count - weak <= decay_one(weak, round(kind.hysteresis * ONE)):
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

    def _forgotten(self, keys: dict[int, _Key], kind: KindSettings) -> list[int]:
        waiting = [key for key, state in keys.items() if state.slot < 0]
        waiting.sort(key=lambda key: (-keys[key].count, key))
        stay = int(self.settings.candidates_per_slot * (kind.capacity // self.shards))
        return [key for rank, key in enumerate(waiting) if rank >= stay or keys[key].count == 0]

    def _delta(
        self,
        shard: int,
        base: int,
        keys: dict[int, _Key],
        admitted: dict[int, int],
        evicted: dict[int, int],
        changed: VocabConfigured | None,
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
            settings=changed,
        )

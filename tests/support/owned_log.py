"""A vocabulary's log, decided by one owner of all shards; four owners that share the shards must decide the same."""

import numpy as np

from contracts.codec import serialize
from contracts.columnar import VocabCounts, VocabDelta
from contracts.records import VocabConfigured
from contracts.settings import VocabSettings
from tests.support.vocab_frames import SOURCE, counts_frame
from vocab.keys import SHARDS, shard_of, shard_shift
from vocab.owner.owner import VocabularyOwner
from vocab.replica.vocabulary import FrozenVocabulary

SETTINGS = VocabSettings.uniform(
    capacity=2 * SHARDS, rare_slots=5, admit_at=2.0, evict_below=1.0, half_life_windows=1.5, candidates_per_slot=4.0
)
PER_SHARD = 5  # keys per shard; only the first, the fourth and the last shard have any


def keys_of(shards: int) -> list[int]:
    return [shard << shard_shift(shards) | i + 1 for shard in (0, 3, shards - 1) for i in range(PER_SHARD)]


KEYS = keys_of(SHARDS)
PROBES = np.array([*KEYS, 0, 2**64 - 1, 3 << 58], np.uint64)


def counts(window: int, occurrences: dict[int, int], closed: int) -> VocabCounts:
    return counts_frame(window, closed, list(occurrences), list(occurrences.values()))


class Log:
    """An owner of all shards, one window at a time, and four owners that share the shards and get other frames."""

    def __init__(self, made_with: VocabSettings = SETTINGS) -> None:
        shards = made_with.shards
        self.owner = VocabularyOwner.begin(made_with, range(shards), frozenset({SOURCE}))
        self.four = [VocabularyOwner.begin(made_with, range(i, shards, 4), frozenset({SOURCE})) for i in range(4)]
        self.window = 10

    def next(self, occurrences: dict[int, int], gap: int = 1) -> list[VocabDelta]:
        self.window += gap
        self.owner.observe(counts(self.window, occurrences, self.window - 1))
        self.owner.observe(counts(self.window, {}, self.window))
        deltas = self.owner.close_windows()
        assert self._of_four(occurrences) == {_place(delta): serialize(delta) for delta in deltas}
        return deltas

    def configure(self, record: VocabConfigured) -> None:
        for owner in (self.owner, *self.four):
            owner.configure(record)

    def restart(self) -> None:
        """Restart every owner from its saved state. The state's settings hold, whatever the worker's settings are."""
        others = VocabSettings(shards=self.owner.state.settings.shards)
        self.owner = VocabularyOwner.from_bytes(others, self.owner.to_bytes())
        self.four = [VocabularyOwner.from_bytes(others, owner.to_bytes()) for owner in self.four]

    def _of_four(self, occurrences: dict[int, int]) -> dict[tuple[int, int], bytes]:
        """The decisions of the four owners, fed one frame per key, last key first, one owner after the other."""
        found = {}
        for number, owner in enumerate(self.four):
            for key in sorted(occurrences, reverse=True):
                if shard_of(np.array([key], np.uint64), owner.state.settings.shards)[0] % 4 == number:
                    owner.observe(counts(self.window, {key: occurrences[key]}, self.window - 1))
            owner.observe(counts(self.window, {}, self.window - 1))  # "this source counted in this window"
            owner.observe(counts(self.window, {}, self.window))
            found |= {_place(delta): serialize(delta) for delta in owner.close_windows()}
        return found


def _place(delta: VocabDelta) -> tuple[int, int]:
    return delta.version, delta.shard


def table(view: FrozenVocabulary) -> tuple[list[int], ...]:
    return view.keys.tolist(), view.slots.tolist(), view.generations.tolist()

"""Bounded counting against exact counters: it never overstates, and understates by no more than the stated bound."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.columnar import VocabCounts
from contracts.settings import VocabSettings
from tests.support.vocab_frames import SOURCE, counts_frame
from vocab.keys import SHARDS
from vocab.owner.owner import VocabularyOwner

ROUNDING = 2.0**-20  # of decay, absolute or relative

SETTINGS = VocabSettings.uniform(
    capacity=2 * SHARDS, rare_slots=1, admit_at=3.0, evict_below=1.0, half_life_windows=5.0, candidates_per_slot=1.5
)
SETTINGS = msgspec.structs.replace(SETTINGS, bigram=msgspec.structs.replace(SETTINGS.bigram, half_life_windows=50.0))


class Exact:
    """Float64 counters of every key of shard 0 (its namespace is its lowest bit), and the stated bound of each."""

    def __init__(self, configured: VocabSettings) -> None:
        self.owner = VocabularyOwner.begin(configured, [0], frozenset({SOURCE}))
        self.half_lives = np.array([configured.word.half_life_windows, configured.bigram.half_life_windows])
        self.counts: dict[int, float] = {}
        self.bounds: dict[int, float] = {}
        self.window = 100

    def close(self, occurrences: dict[int, int], gap: int = 1) -> None:
        """One more window after `gap` - 1 without any; each is decided by itself, then all counts are compared."""
        for _ in range(gap - 1):
            self._close({}, [self._marker()])
        self._close(occurrences, [self._counts(occurrences), self._marker()])

    def _close(self, occurrences: dict[int, int], frames: list[VocabCounts]) -> None:
        tracked = self.owner.state.tracked
        before = set(tracked.keys.tolist()) | occurrences.keys()
        former = self.owner.state.version
        for frame in frames:
            self.owner.observe(frame)
        self.owner.close_windows()
        left = 0.5 ** ((self.owner.state.version - former) / self.half_lives) if former else np.ones(2)
        for held in (self.counts, self.bounds):
            for key in held:
                held[key] *= left[key & 1]
        for key, count in occurrences.items():
            self.counts[key] = self.counts.get(key, 0.0) + count
        kept = dict(zip(tracked.keys.tolist(), (tracked.counts * 2.0**-32).tolist(), strict=True))
        waiting = tracked.slots < 0
        for key in before - kept.keys():
            mine = tracked.counts[waiting & (tracked.namespaces == (key & 1))] * 2.0**-32
            full = len(mine) >= self.owner.state.rules[key & 1].kept
            self.bounds[key] = self.bounds.get(key, 0.0) + (mine.min() if full else 0.0)
        self._compare(kept)
        self.window += 1

    def _counts(self, occurrences: dict[int, int]) -> VocabCounts:
        keys = sorted(occurrences)
        counts = [occurrences[key] for key in keys]
        return counts_frame(self.window, self.window - 1, keys, counts, [key & 1 for key in keys])

    def _marker(self) -> VocabCounts:
        return msgspec.structs.replace(self._counts({}), closed_through=self.window)

    def _compare(self, kept: dict[int, float]) -> None:
        for key, exact in self.counts.items():
            slack = ROUNDING * max(1.0, exact)
            counted = kept.get(key, 0.0)
            assert counted <= exact + slack
            assert counted >= exact - self.bounds.get(key, 0.0) - slack


WINDOW = st.tuples(st.dictionaries(st.integers(0, 30), st.integers(1, 9), max_size=20), st.sampled_from([1, 1, 2, 7]))


@pytest.mark.slow
@given(st.lists(WINDOW, max_size=15))
@settings(max_examples=60, deadline=None)
def test_counts_stay_within_the_bound_on_drawn_streams(stream):
    exact = Exact(SETTINGS)
    for occurrences, gap in stream:
        exact.close(occurrences, gap)


@pytest.mark.slow
def test_counts_stay_within_the_bound_on_a_zipf_stream_that_is_far_too_long_for_the_memory():
    rng = np.random.default_rng(7)
    exact = Exact(msgspec.structs.replace(
        SETTINGS, word=msgspec.structs.replace(SETTINGS.word, capacity=40 * SHARDS), candidates_per_slot=4.0
    ))  # fmt: skip
    for _ in range(60):
        keys, counts = np.unique(rng.zipf(1.2, 3_000) % (1 << 40), return_counts=True)
        exact.close(dict(zip(keys.tolist(), counts.tolist(), strict=True)))
    assert len(exact.counts) > 20 * len(exact.owner.state.tracked)
    never_dropped = set(exact.owner.state.tracked.keys.tolist()) - exact.bounds.keys()
    assert len(never_dropped) > 50  # whose counts, compared above, are exact

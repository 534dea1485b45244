"""What the owner of a vocabulary decides at a window's close, rule by rule, and what it refuses to count."""

import msgspec
import numpy as np
import pytest

from contracts.columnar import empty
from contracts.errors import BadRecord
from tests.support.vocab_owner_logs import FIRST, KEYS, SETTINGS, SOURCES, WORDS, frame, run
from vocab.keys import SHARDS
from vocab.owner.owner import VocabularyOwner


def test_no_window_closes_before_every_source_has_closed_it():
    owner = VocabularyOwner.begin(SETTINGS, range(SHARDS), SOURCES)
    owner.observe(frame(("tweets", 0), 100, {KEYS[0]: 5}, 99))
    owner.observe(frame(("tweets", 0), 105, {}, 105))
    assert owner.close_windows() == []
    owner.observe(frame(("tweets", 1), 100, {}, 100))
    (delta,) = [delta for delta in owner.close_windows() if len(delta.admitted_keys)]
    assert (delta.version, delta.sequence, delta.base_version) == (100, 1, 0)
    assert (delta.admitted_slots.tolist(), delta.admitted_generations.tolist()) == (FIRST, [1])
    assert delta.admitted_tokens == [f"t{KEYS[0]}"]


def test_empty_windows_get_decisions_ever_more_rarely():
    owner = VocabularyOwner.begin(SETTINGS, range(SHARDS), frozenset({("tweets", 0)}))
    deltas = run(owner, [frame(("tweets", 0), 100, {KEYS[0]: 1}, 99), frame(("tweets", 0), 400, {}, 400)], [])
    assert sorted({delta.version - 100 for delta in deltas}) == [*range(17), 32, 64, 128, 256]
    assert len(deltas) == 21 * SHARDS


def test_a_slot_given_again_has_a_higher_generation():
    owner = VocabularyOwner.begin(SETTINGS, [0], frozenset({("tweets", 0)}))
    log = [frame(("tweets", 0), 100, {WORDS[0]: 4}, 99), frame(("tweets", 0), 120, {WORDS[1]: 4}, 119)]
    deltas = run(owner, [*log, frame(("tweets", 0), 120, {}, 120)], [])
    given_away = [
        (delta.admitted_slots[0], delta.admitted_generations[0]) for delta in deltas if len(delta.admitted_keys)
    ]
    assert given_away == [(FIRST[0], 1), (FIRST[0], 2)]


def test_a_full_shard_changes_hands_only_past_the_margin():
    steady = msgspec.structs.replace(SETTINGS.word, half_life_windows=1e9)
    owner = VocabularyOwner.begin(msgspec.structs.replace(SETTINGS, word=steady), [0], frozenset({("tweets", 0)}))
    a, b, c = WORDS
    log = [
        frame(("tweets", 0), 100, {a: 8, b: 20, c: 10}, 99),  # b and c take the two slots
        frame(("tweets", 0), 101, {a: 4}, 100),  # 12 is not past 10 by more than a quarter
        frame(("tweets", 0), 102, {a: 1}, 101),  # 13 is
        frame(("tweets", 0), 102, {}, 102),
    ]
    deltas = run(owner, log, [])
    assert [delta.admitted_keys.tolist() for delta in deltas] == [[b, c], [], [a]]
    assert [delta.evicted_keys.tolist() for delta in deltas] == [[], [], [c]]
    assert deltas[2].evicted_slots.tolist() == deltas[2].admitted_slots.tolist()


def test_an_idle_key_leaves_although_its_count_is_high_and_comes_back_when_it_is_seen():
    steady = msgspec.structs.replace(SETTINGS.word, half_life_windows=1e9, idle_windows=4)
    owner = VocabularyOwner.begin(msgspec.structs.replace(SETTINGS, word=steady), [0], frozenset({("tweets", 0)}))
    a, b = WORDS[:2]
    log = [frame(("tweets", 0), 100, {a: 9, b: 9}, 99)]
    log += [frame(("tweets", 0), window, {b: 1}, window - 1) for window in (103, 106)]
    deltas = run(owner, [*log, frame(("tweets", 0), 107, {}, 107)], [])
    assert [(delta.version, delta.evicted_keys.tolist()) for delta in deltas if len(delta.evicted_keys)] == [
        (104, [a])
    ]
    assert not any(len(delta.admitted_keys) for delta in deltas[1:])
    again = run(owner, [frame(("tweets", 0), 108, {a: 1}, 107), frame(("tweets", 0), 108, {}, 108)], [])
    assert [delta.admitted_keys.tolist() for delta in again] == [[a]]


def test_a_key_that_was_not_seen_in_the_last_three_windows_is_idle_after_three():
    """As the page has it: `idle_windows = 3`, seen in window 10 alone, evicted at 13."""
    steady = msgspec.structs.replace(SETTINGS.word, half_life_windows=1e9, idle_windows=3)
    owner = VocabularyOwner.begin(msgspec.structs.replace(SETTINGS, word=steady), [0], frozenset({("tweets", 0)}))
    log = [frame(("tweets", 0), 10, {WORDS[0]: 9}, 9), frame(("tweets", 0), 14, {}, 14)]
    evicted = [delta.version for delta in run(owner, log, []) if len(delta.evicted_keys)]
    assert evicted == [13]


def test_slots_that_change_hands_go_smallest_first_to_the_highest_counts():
    """Not each to the key that displaces its holder."""
    steady = msgspec.structs.replace(SETTINGS.word, half_life_windows=1e9)
    owner = VocabularyOwner.begin(msgspec.structs.replace(SETTINGS, word=steady), [0], frozenset({("tweets", 0)}))
    a, b, c = WORDS
    d = 50  # another word of shard 0
    log = [
        frame(("tweets", 0), 100, {a: 5, b: 4}, 99),
        frame(("tweets", 0), 101, {c: 100, d: 50}, 100),
        frame(("tweets", 0), 101, {}, 101),
    ]
    first, second = (
        dict(zip(delta.admitted_keys.tolist(), delta.admitted_slots.tolist(), strict=True))
        for delta in run(owner, log, [])
    )
    assert first[a] < first[b]
    assert second == {c: first[a], d: first[b]}  # though c displaces b, the weakest


def test_what_breaks_a_promise_is_refused_and_leaves_no_trace():
    owner = VocabularyOwner.begin(SETTINGS, [0, 1], SOURCES)
    owner.observe(frame(("tweets", 0), 100, {KEYS[0]: 1}, 99))
    before = owner.to_bytes()
    good = frame(("tweets", 0), 100, {KEYS[0]: 1}, 99)
    bad = {
        "late_counts": frame(("tweets", 0), 99, {KEYS[0]: 1}, 99),
        "unknown_source": frame(("tweets", 9), 100, {KEYS[0]: 1}, 99),
        "foreign_shard": frame(("tweets", 0), 100, {KEYS[-1]: 1}, 99),
        "malformed": msgspec.structs.replace(good, counts=empty(np.uint32)),
    }
    for reason, counted in bad.items():
        with pytest.raises(BadRecord) as caught:
            owner.observe(counted)
        assert caught.value.reason == reason
    assert owner.to_bytes() == before

"""A replica of the vocabulary: what it answers at a version never changes, and a broken chain is refused."""

import msgspec
import numpy as np
import pytest

from contracts.errors import ChainBroken, SnapshotInvalid, VersionNotReached, VersionRetired
from tests.support.owned_log import KEYS, SETTINGS, Log, table
from vocab.keys import SHARDS
from vocab.namespaces import Namespace
from vocab.replica.vocabulary import RETAINED, FrozenVocabulary, Vocabulary, changed_slots
from vocab.slot_layout import SlotLayout


def test_versions_past_the_newest_and_before_the_oldest_are_refused():
    log, vocabulary = Log(), Vocabulary(SETTINGS)
    assert vocabulary.at(0).version == 0
    for _ in range(RETAINED + 3):
        for delta in log.next({KEYS[0]: 3}):
            vocabulary.apply(delta)
    newest = vocabulary.complete_through
    assert vocabulary.retained_from == newest - RETAINED + 1
    assert vocabulary.at(vocabulary.retained_from).version == vocabulary.retained_from
    with pytest.raises(VersionNotReached, match=str(newest)):
        vocabulary.at(newest + 1)
    with pytest.raises(VersionRetired, match="driftline vocab rebuild"):
        vocabulary.at(vocabulary.retained_from - 1)


def test_a_version_between_two_windows_is_the_one_before():
    log, vocabulary = Log(), Vocabulary(SETTINGS)
    for delta in log.next({KEYS[0]: 3}) + log.next({KEYS[1]: 3}, gap=30):
        vocabulary.apply(delta)
    assert vocabulary.complete_through == 41
    assert vocabulary.at(40).version == 27  # 11 + 16 empty windows that got a decision


def test_complete_through_waits_for_the_last_shard():
    vocabulary = Vocabulary(SETTINGS)
    deltas = Log().next({KEYS[0]: 3})
    for delta in deltas[:-1]:
        vocabulary.apply(delta)
    assert vocabulary.complete_through == 0
    vocabulary.apply(deltas[-1])
    assert vocabulary.complete_through == 11


def test_gap_repeat_reorder_and_misfit_break_the_chain_and_change_nothing():
    log, vocabulary = Log(), Vocabulary(SETTINGS)
    first, second, third = (log.next({KEYS[0]: 3, KEYS[1]: 3}) for _ in range(3))
    for delta in first:
        vocabulary.apply(delta)
    change = msgspec.structs.replace
    good = second[0]
    slot = SlotLayout.of(SETTINGS).slots_of(Namespace.WORD, 0)[:1]
    key = np.array([KEYS[2]], np.uint64)
    misfits = {
        "repeats": first[0],
        "a gap": third[0],
        "based on": change(good, base_version=1),
        "of vocabulary": change(good, vocabulary="other"),
        "64 shards": change(good, shard=64),
        "of another shard": change(good, evicted_keys=np.array([KEYS[-1]], np.uint64), evicted_slots=slot),
    }
    before = table(vocabulary.at(11))
    for text, delta in misfits.items():
        with pytest.raises(ChainBroken, match=text):
            vocabulary.apply(delta)
    for delta in second[1:]:
        vocabulary.apply(delta)
    admits_twice = change(
        good,
        admitted_keys=key,
        admitted_slots=slot,
        admitted_generations=np.ones(1, np.uint32),
        admitted_namespaces=np.zeros(1, np.uint8),
    )
    evicts_stranger = change(good, evicted_keys=key, evicted_slots=slot)
    for text, delta in {"is taken": admits_twice, "holds no such slot": evicts_stranger}.items():
        with pytest.raises(ChainBroken, match=text):
            vocabulary.apply(delta)
        assert vocabulary.complete_through == 11
    vocabulary.apply(good)
    assert vocabulary.complete_through == 12
    assert table(vocabulary.at(11)) == before


def test_changed_slots_are_those_given_to_another_key_or_turn():
    log, vocabulary = Log(), Vocabulary(SETTINGS)
    for delta in log.next({KEYS[0]: 9, KEYS[1]: 3}):
        vocabulary.apply(delta)
    old = vocabulary.at(vocabulary.complete_through)
    empty_view = FrozenVocabulary.empty(SETTINGS)
    slots, keys, generations = changed_slots(empty_view, old)
    assert (slots.tolist(), keys.tolist(), generations.tolist()) == ([50, 51], KEYS[:2], [1, 1])
    for delta in log.next({KEYS[0]: 9}, gap=4) + log.next({KEYS[0]: 3, KEYS[1]: 9}):
        vocabulary.apply(delta)
    new = vocabulary.at(vocabulary.complete_through)
    slots, keys, generations = changed_slots(old, new)
    assert (slots.tolist(), keys.tolist(), generations.tolist()) == ([51], [KEYS[1]], [2])
    assert [len(column) for column in changed_slots(new, new)] == [0, 0, 0]
    assert [len(column) for column in changed_slots(new, empty_view)] == [0, 0, 0]


ARRAYS = {
    "header": np.array([1, 7, 1, SHARDS], np.int64),
    "extents": np.array([256, 0, 5, 257, 5, 1, 258, 6, 1, 2, 7, 2], np.int64),
    "rare": np.array([5, 1, 1], np.int64),
    "keys": np.array([3, 9], np.uint64),
    "slots": np.array([8, 7], np.int32),
    "generations": np.array([1, 2], np.uint32),
}


def test_views_are_read_only_and_survive_their_arrays():
    arrays = {name: column.copy() for name, column in ARRAYS.items()}
    view = FrozenVocabulary.from_arrays(arrays)
    arrays["slots"][0] = 100
    assert view.lookup(np.array([3, 9], np.uint64)).tolist() == [8, 7]
    with pytest.raises(ValueError, match="read-only"):
        view.slots[0] = 0
    for name, column in view.to_arrays().items():
        assert column.dtype == ARRAYS[name].dtype
        assert column.tolist() == ARRAYS[name].tolist()


@pytest.mark.parametrize(
    "change",
    [
        {"header": np.array([2, 7, 1, SHARDS], np.int64)},
        {"keys": np.array([9, 3], np.uint64)},
        {"slots": np.array([8, 8], np.int32)},
        {"slots": np.array([8, 4], np.int32)},
        {"slots": np.array([8, 7 + 2 * SHARDS], np.int32)},
        {"generations": np.array([1], np.uint32)},
        {"rare": np.array([5, 1, 0], np.int64)},
        {"extents": ARRAYS["extents"][3:]},
    ],
)
def test_arrays_that_are_no_vocabulary_are_refused(change):
    with pytest.raises(SnapshotInvalid):
        FrozenVocabulary.from_arrays({**ARRAYS, **change})
    with pytest.raises(SnapshotInvalid, match="keys"):
        FrozenVocabulary.from_arrays({name: column for name, column in ARRAYS.items() if name != "keys"})


def test_a_log_without_settings_and_shards_that_differ_in_theirs_are_refused():
    deltas = Log().next({KEYS[0]: 3})
    change = msgspec.structs.replace
    with pytest.raises(ChainBroken, match="begins without settings"):
        Vocabulary(SETTINGS).apply(change(deltas[0], settings=None))
    vocabulary = Vocabulary(SETTINGS)
    other = change(deltas[-1].settings, candidates_per_slot=2.0)
    for delta in deltas[:-1]:
        vocabulary.apply(delta)
    with pytest.raises(ChainBroken, match="differ in their settings"):
        vocabulary.apply(change(deltas[-1], settings=other))
    vocabulary.apply(deltas[-1])
    assert vocabulary.complete_through == 11


def test_keys_are_refused_in_the_slots_of_another_namespace():
    delta = next(delta for delta in Log().next({KEYS[0]: 3}) if len(delta.admitted_keys))
    wrong = np.full(len(delta.admitted_keys), Namespace.HASHTAG, np.uint8)
    with pytest.raises(ChainBroken, match="the slots of another"):
        Vocabulary(SETTINGS).apply(msgspec.structs.replace(delta, admitted_namespaces=wrong))

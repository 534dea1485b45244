"""Settings of a vocabulary live in its log: they hold from their window, and move nobody's row."""

import msgspec
import pytest

from contracts.errors import BadRecord, SettingsError
from contracts.settings import VocabSettings
from tests.support.vocab_owner_logs import PLAIN, SETTINGS, SOURCES, WORDS, frame, of_shards, run
from vocab.keys import SHARDS
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.rules import configured, settings_of
from vocab.slot_layout import SlotLayout


def test_settings_in_the_log_hold_from_their_window_and_equal_ones_change_nothing():
    owner = VocabularyOwner.begin(SETTINGS, [0], frozenset({("tweets", 0)}))
    other = msgspec.structs.replace(PLAIN, candidates_per_slot=1.0)
    owner.configure(configured(other))
    log = [frame(("tweets", 0), 100, {WORDS[0]: 4}, 99), configured(other, 101), frame(("tweets", 0), 102, {}, 102)]
    deltas = run(owner, log, [])
    assert owner.state.settings == other
    assert [delta.settings for delta in deltas] == [configured(other), None, None]
    restored = VocabularyOwner.from_bytes(SETTINGS, owner.to_bytes())
    assert restored.state.settings == other


def test_a_lower_capacity_evicts_the_weakest_and_a_higher_one_moves_nobody():
    def of_words(slots: int) -> VocabSettings:
        word = msgspec.structs.replace(SETTINGS.word, capacity=slots * SHARDS, half_life_windows=1e9, idle_windows=9)
        return msgspec.structs.replace(SETTINGS, word=word, candidates_per_slot=3.0)

    owner = VocabularyOwner.begin(of_words(2), [0], frozenset({("tweets", 0)}))
    a, b, c = WORDS
    log = [
        frame(("tweets", 0), 100, {a: 8, b: 20, c: 7}, 99),
        frame(("tweets", 0), 100, {}, 100),
        configured(of_words(1), 101),
        frame(("tweets", 0), 101, {}, 101),
        configured(of_words(3), 102),
        frame(("tweets", 0), 104, {}, 104),
    ]
    deltas = run(owner, log, [True] * 6)
    assert [delta.evicted_keys.tolist() for delta in deltas] == [[], [a], [], [], []]
    assert [delta.admitted_keys.tolist() for delta in deltas] == [[a, b], [], [a, c], [], []]
    assert [delta.settings and delta.settings.from_window for delta in deltas] == [0, 101, 102, None, None]
    layout = SlotLayout.of(of_words(2)).changed(of_words(3))
    assert owner.state.layout == layout
    assert sorted(owner.state.tracked.slots.tolist()) == layout.slots_of(Namespace.WORD, 0).tolist()
    (held,) = owner.state.tracked.slots[owner.state.tracked.keys == b]
    assert held == deltas[0].admitted_slots[1]


def test_a_vocabulary_keeps_its_number_of_shards():
    owner = VocabularyOwner.begin(SETTINGS, range(SHARDS), SOURCES)
    wider = of_shards(128, SETTINGS)
    refused = "has 64 virtual shards.*vocab.shards is 128.*driftline vocab reshard --shards 128"
    with pytest.raises(SettingsError, match=r"has 128 virtual shards.*vocab.shards is 64"):
        owner.configure(configured(wider))
    with pytest.raises(SettingsError, match=refused):
        VocabularyOwner.from_bytes(wider, owner.to_bytes())
    with pytest.raises(SettingsError, match=refused):
        owner.state.layout.changed(wider)
    for shards in (0, 65, 512):
        with pytest.raises(SettingsError, match=f"vocab.shards is {shards}: set it to a power of two from 1 to 256"):
            SlotLayout.of(msgspec.structs.replace(SETTINGS, shards=shards))


def test_a_kind_that_settings_do_not_name_has_no_slots():
    record = configured(SETTINGS, 7)
    older = msgspec.structs.replace(
        record, kinds={kind: record.kinds[kind] for kind in ("word", "hashtag", "viewer")}
    )
    assert (settings_of(older).word, settings_of(older).emoji.capacity) == (SETTINGS.word, 0)


def test_settings_that_cannot_hold_are_refused_and_leave_no_trace():
    owner = VocabularyOwner.begin(SETTINGS, [0], SOURCES)
    good = configured(SETTINGS, 7)
    word = good.kinds["word"]
    bad = {
        "foreign_vocabulary": msgspec.structs.replace(good, vocabulary="other"),
        "unknown_kind": msgspec.structs.replace(good, kinds={**good.kinds, "smell": word}),
        "bad_settings": msgspec.structs.replace(
            good, kinds={**good.kinds, "word": msgspec.structs.replace(word, capacity=100)}
        ),
    }
    before = owner.to_bytes()
    for reason, record in bad.items():
        with pytest.raises(BadRecord) as caught:
            owner.configure(record)
        assert caught.value.reason == reason
    assert owner.to_bytes() == before


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"capacity": 100}, r"vocab\.word\.capacity is 100.*set it to 64 or 128"),
        ({"capacity": -1}, "set it to 0 or 64"),
        ({"rare_slots": -1}, "set it to 0 or more"),
        ({"evict_below": 3.0}, "below admit_at"),
        ({"hysteresis": 2.0}, "0 to 1"),
        ({"half_life_windows": 0.0}, "more than 0"),
        ({"idle_windows": 0}, "1 or more"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_advice(change, advice):
    kind = msgspec.structs.replace(PLAIN.word, **change)
    with pytest.raises(SettingsError, match=advice):
        VocabularyOwner.begin(msgspec.structs.replace(PLAIN, word=kind), [0], SOURCES)
    with pytest.raises(SettingsError, match="candidates_per_slot"):
        VocabularyOwner.begin(msgspec.structs.replace(PLAIN, candidates_per_slot=-1.0), [0], SOURCES)

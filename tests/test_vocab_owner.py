"""The owner's deltas are a function of the sources' logs, and equal those of the plain reference."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import encode
from contracts.errors import BadRecord, SettingsError, SnapshotInvalid
from contracts.frames import VocabCounts, VocabDelta, empty
from contracts.records import VocabConfigured
from contracts.settings import KindSettings, VocabSettings
from vocab.keys import SHARDS, shard_of
from vocab.languages import UND, language_code
from vocab.layout import Layout
from vocab.namespaces import Namespace
from vocab.owner import VocabularyOwner
from vocab.reference import ReferenceOwner
from vocab.rules import configured, settings_of

PLAIN = VocabSettings.uniform(
    capacity=SHARDS,
    rare_slots=8,
    admit_at=3.0,
    evict_below=1.0,
    half_life_windows=2.0,
    candidates_per_slot=1.5,
)
# Two kinds that differ in every rule; one has as many slots as it can have keys.
SETTINGS = msgspec.structs.replace(
    PLAIN,
    word=msgspec.structs.replace(PLAIN.word, capacity=2 * SHARDS, half_life_windows=3.0, idle_windows=4),
    bigram=msgspec.structs.replace(PLAIN.bigram, admit_at=2.0, evict_below=0.5, hysteresis=0.0),
)
SOURCES = frozenset({("tweets", 0), ("tweets", 1)})
# Few keys in few shards, so that slots are short and every rule is met.
KEYS = [shard << 58 | i * 7 + 1 for shard in (0, 1, 5, 63) for i in range(6)]
FIRST = Layout.of(SETTINGS).slots_of(Namespace.WORD, 0)[:1].tolist()
WORDS = [key for key in KEYS[:6] if key // 8 % 2 == 0]  # of shard 0


def frame(source: tuple[str, int], window: int, counts: dict[int, int], closed: int) -> VocabCounts:
    keys = sorted(counts)
    return VocabCounts(
        source_topic=source[0],
        source_partition=source[1],
        closed_through=closed,
        window=window,
        keys=np.array(keys, np.uint64),
        namespaces=np.array([key // 8 % 2 for key in keys], np.uint8),
        counts=np.array([counts[key] for key in keys], np.uint32),
        token_keys=np.array(keys, np.uint64),
        tokens=[f"t{key}" for key in keys],
        languages=np.array([language_code(("en", "de", "fr")[(key + window) % 3]) for key in keys], np.uint16),
    )


def only(
    counted: VocabCounts | VocabConfigured, shards: Sequence[int], of: int = SHARDS
) -> VocabCounts | VocabConfigured:
    """What a source sends to the owner of `shards` of all `of`: its keys, or none, and all settings."""
    if isinstance(counted, VocabConfigured):
        return counted
    mine = np.isin(shard_of(counted.keys, of), shards)
    return msgspec.structs.replace(
        counted,
        keys=counted.keys[mine],
        namespaces=counted.namespaces[mine],
        counts=counted.counts[mine],
        languages=counted.languages[mine],
        token_keys=counted.token_keys[mine],
        tokens=[token for token, here in zip(counted.tokens, mine.tolist(), strict=True) if here],
    )


@st.composite
def changes(draw: st.DrawFn) -> VocabSettings:
    """Settings that another operator might choose."""
    kinds = {
        kind: KindSettings(
            capacity=SHARDS * draw(st.integers(0, 3)),
            rare_slots=draw(st.integers(1, 9)),
            admit_at=draw(st.sampled_from([1.5, 3.0, 5.0])),
            evict_below=draw(st.sampled_from([0.0, 1.0])),
            hysteresis=draw(st.sampled_from([0.0, 0.25, 1.0])),
            half_life_windows=draw(st.sampled_from([1.0, 2.0, 10.0])),
            idle_windows=draw(st.sampled_from([1, 3, 1_000])),
        )
        for kind in ("word", "bigram")
    }
    return msgspec.structs.replace(SETTINGS, candidates_per_slot=draw(st.sampled_from([0.0, 1.0, 4.0])), **kinds)


Log = dict[tuple[str, int], list[VocabCounts | VocabConfigured]]


@st.composite
def logs(draw: st.DrawFn) -> Log:
    """Each source's frames: windows rise, with gaps; each window's counts in one frame or more; then closed.

    The first source's log has settings too, of a window that it has not closed."""
    result: Log = {}
    for source in sorted(SOURCES):
        frames: list[VocabCounts | VocabConfigured] = []
        closed, window = 0, 100
        for _ in range(draw(st.integers(0, 7))):
            window += draw(st.sampled_from([0, 1, 1, 2, 3, 20, 70]))
            if window > closed:
                counts = draw(st.dictionaries(st.sampled_from(KEYS), st.integers(1, 6), max_size=12))
                frames.append(frame(source, window, counts, closed))
            if draw(st.booleans()):
                closed = max(closed, window - draw(st.integers(0, 2)))
                frames.append(frame(source, closed, {}, closed))
            if source == min(SOURCES) and draw(st.integers(0, 3)) == 0:
                frames.append(configured(draw(changes()), closed + 1 + draw(st.integers(0, 3))))
        frames.append(frame(source, 260, {}, 260))
        result[source] = frames
    return result


def interleaved(log: Log, order: list[bool]) -> list[VocabCounts | VocabConfigured]:
    """One order in which the two sources' frames may come."""
    first, second = (list(frames) for frames in log.values())
    mixed = []
    for pick in order:
        queue = (first if pick else second) or second or first
        if queue:
            mixed.append(queue.pop(0))
    return mixed + first + second


def by_shard(deltas: Sequence[VocabDelta]) -> dict[int, list[bytes]]:
    result: dict[int, list[bytes]] = {}
    for delta in deltas:
        result.setdefault(delta.shard, []).append(encode(delta))
    return result


def take(owner: VocabularyOwner | ReferenceOwner, each: VocabCounts | VocabConfigured) -> None:
    if isinstance(each, VocabConfigured):
        owner.configure(each)
    else:
        owner.observe(each)


def run(
    owner: VocabularyOwner | ReferenceOwner, frames: Sequence[VocabCounts | VocabConfigured], close: Sequence[bool]
) -> list[VocabDelta]:
    deltas = []
    for i, each in enumerate(frames):
        take(owner, each)
        if i < len(close) and close[i]:
            deltas += owner.close_windows()
    return deltas + owner.close_windows()


def trend_rows(owner: VocabularyOwner) -> list[tuple[int, int, list[int]]]:
    """(key, language, counts) of an owner's trends."""
    trends = owner.trends
    return list(zip(trends.keys.tolist(), trends.languages.tolist(), trends.counts.T.tolist(), strict=True))


ORDER = st.lists(st.booleans(), max_size=20)


@pytest.mark.slow
@given(logs(), ORDER, ORDER)
@settings(max_examples=30, deadline=None)
def test_owner_equals_reference_whatever_the_order_and_the_time_of_closing(log, order, close):
    frames = interleaved(log, order)
    reference = run(ReferenceOwner(SETTINGS, range(SHARDS), SOURCES), interleaved(log, []), [])
    owner = run(VocabularyOwner(SETTINGS, range(SHARDS), SOURCES), frames, close)
    assert by_shard(owner) == by_shard(reference)
    assert [d.version for d in owner] == sorted(d.version for d in owner)


@pytest.mark.slow
@given(logs(), ORDER, ORDER)
@settings(max_examples=12, deadline=None)
def test_four_owners_decide_as_one(log, order, close):
    frames = interleaved(log, order)
    whole = VocabularyOwner(SETTINGS, range(SHARDS), SOURCES)
    one = run(whole, interleaved(log, []), [])
    four, trends = [], []
    for partition in range(4):
        shards = range(partition, SHARDS, 4)
        owner = VocabularyOwner(SETTINGS, shards, SOURCES)
        four += run(owner, [only(each, shards) for each in frames], close)
        trends += trend_rows(owner)
    assert by_shard(four) == by_shard(one)
    assert sorted(trends) == trend_rows(whole)


def of_shards(shards: int, settings: VocabSettings) -> VocabSettings:
    """The same with as many slots a shard, of other shards."""
    kinds = {
        name: msgspec.structs.replace(kind, capacity=kind.capacity * shards // SHARDS)
        for name, kind in settings.kinds.items()
    }
    return msgspec.structs.replace(settings, shards=shards, **kinds)


@pytest.mark.slow
@given(st.sampled_from([4, 16, 128, 256]), logs(), ORDER, ORDER)
@settings(max_examples=25, deadline=None)
def test_whatever_the_number_of_shards_four_owners_decide_as_the_reference(shards, log, order, close):
    def scaled(each: VocabCounts | VocabConfigured) -> VocabCounts | VocabConfigured:
        if isinstance(each, VocabCounts):
            return each
        return configured(of_shards(shards, settings_of(each)), each.from_window)

    made_with = of_shards(shards, SETTINGS)
    in_one_order = [scaled(each) for each in interleaved(log, [])]
    reference = run(ReferenceOwner(made_with, range(shards), SOURCES), in_one_order, [])
    frames = [scaled(each) for each in interleaved(log, order)]
    four = []
    for partition in range(4):
        mine = range(partition, shards, 4)
        owner = VocabularyOwner(made_with, mine, SOURCES)
        four += run(owner, [only(each, mine, shards) for each in frames], close)
        assert VocabularyOwner.from_bytes(made_with, owner.to_bytes()).to_bytes() == owner.to_bytes()
    assert by_shard(four) == by_shard(reference)


def test_a_vocabulary_keeps_its_number_of_shards():
    owner = VocabularyOwner(SETTINGS, range(SHARDS), SOURCES)
    wider = of_shards(128, SETTINGS)
    refused = "has 64 virtual shards.*vocab.shards is 128.*driftline vocab reshard --shards 128"
    with pytest.raises(SettingsError, match=r"has 128 virtual shards.*vocab.shards is 64"):
        owner.configure(configured(wider))
    with pytest.raises(SettingsError, match=refused):
        VocabularyOwner.from_bytes(wider, owner.to_bytes())
    with pytest.raises(SettingsError, match=refused):
        owner.layout.changed(wider)
    for shards in (0, 2, 65, 512):
        with pytest.raises(SettingsError, match=f"vocab.shards is {shards}: set it to a power of two from 4 to 256"):
            Layout.of(msgspec.structs.replace(SETTINGS, shards=shards))


@pytest.mark.slow
@given(logs(), ORDER, st.integers(0, 15))
@settings(max_examples=12, deadline=None)
def test_saving_and_restoring_at_any_point_changes_nothing(log, order, point):
    frames = interleaved(log, order)
    plain = VocabularyOwner(SETTINGS, range(SHARDS), SOURCES)
    expected = run(plain, frames, [True] * point)
    owner = VocabularyOwner(SETTINGS, range(SHARDS), SOURCES)
    deltas = []
    for i, each in enumerate(frames):
        take(owner, each)
        if i < point:
            deltas += owner.close_windows()
        owner = VocabularyOwner.from_bytes(SETTINGS, owner.to_bytes())
    deltas += owner.close_windows()
    assert by_shard(deltas) == by_shard(expected)
    assert owner.to_bytes() == plain.to_bytes()


@pytest.mark.slow
@given(logs(), ORDER)
@settings(max_examples=12, deadline=None)
def test_state_bytes_do_not_tell_the_order(log, order):
    one, other = (VocabularyOwner(SETTINGS, range(SHARDS), SOURCES) for _ in range(2))
    for each in interleaved(log, order):
        take(one, each)
    for each in interleaved(log, []):
        take(other, each)
    assert one.to_bytes() == other.to_bytes()
    one.close_windows()
    other.close_windows()
    assert one.to_bytes() == other.to_bytes()


@pytest.mark.slow
@given(logs())
@settings(max_examples=12, deadline=None)
def test_memory_is_bounded_by_the_settings(log):
    owner = VocabularyOwner(SETTINGS, range(SHARDS), SOURCES)
    run(owner, interleaved(log, []), [])
    for namespace in (0, 1):
        keys = owner.tracked.keys[owner.tracked.namespaces == namespace]
        per_shard = np.bincount((keys >> np.uint64(58)).astype(int), minlength=SHARDS)
        assert per_shard.max() <= owner.rules[namespace].per_shard + owner.rules[namespace].kept
    assert set(owner.spellings) == set(owner.tracked.keys.tolist())


def test_decisions_do_not_depend_on_languages_and_rows_without_one_are_undetermined():
    one, other = (VocabularyOwner(SETTINGS, range(SHARDS), frozenset({("tweets", 0)})) for _ in range(2))
    known = frame(("tweets", 0), 100, {KEYS[0]: 5}, 99)
    unknown = msgspec.structs.replace(known, v=1, languages=empty(np.uint16))
    parts = [(KEYS[0], "en", 2), (KEYS[0], "und", 1), (KEYS[0], "en", 1), (KEYS[0], "de", 1)]
    one.observe(
        msgspec.structs.replace(
            known,
            keys=np.array([key for key, _, _ in parts], np.uint64),
            namespaces=np.repeat(known.namespaces, len(parts)),
            languages=np.array([language_code(tag) for _, tag, _ in parts], np.uint16),
            counts=np.array([count for _, _, count in parts], np.uint32),
        )
    )
    other.observe(unknown)
    rows = [tuple(column.tolist() for column in owner.pending[100].by_language()[1:]) for owner in (one, other)]
    namespace = KEYS[0] // 8 % 2
    assert rows == [
        ([language_code(tag) for tag in ("de", "en", "und")], [namespace] * 3, [1, 3, 1]),
        ([UND], [namespace], [5]),
    ]
    restored = VocabularyOwner.from_bytes(SETTINGS, one.to_bytes())
    assert restored.to_bytes() == one.to_bytes()
    for owner in (restored, other):
        owner.observe(frame(("tweets", 0), 100, {}, 100))
    assert by_shard(restored.close_windows()) == by_shard(other.close_windows())


def test_empty_windows_get_decisions_ever_more_rarely():
    owner = VocabularyOwner(SETTINGS, range(SHARDS), frozenset({("tweets", 0)}))
    deltas = run(owner, [frame(("tweets", 0), 100, {KEYS[0]: 1}, 99), frame(("tweets", 0), 400, {}, 400)], [])
    assert sorted({delta.version - 100 for delta in deltas}) == [*range(17), 32, 64, 128, 256]
    assert len(deltas) == 21 * SHARDS


def test_no_window_closes_before_every_source_has_closed_it():
    owner = VocabularyOwner(SETTINGS, range(SHARDS), SOURCES)
    owner.observe(frame(("tweets", 0), 100, {KEYS[0]: 5}, 99))
    owner.observe(frame(("tweets", 0), 105, {}, 105))
    assert owner.close_windows() == []
    owner.observe(frame(("tweets", 1), 100, {}, 100))
    (delta,) = [delta for delta in owner.close_windows() if len(delta.admitted_keys)]
    assert (delta.version, delta.sequence, delta.base_version) == (100, 1, 0)
    assert (delta.admitted_slots.tolist(), delta.admitted_generations.tolist()) == (FIRST, [1])
    assert delta.admitted_tokens == [f"t{KEYS[0]}"]


def test_a_slot_given_again_has_a_higher_generation():
    owner = VocabularyOwner(SETTINGS, [0], frozenset({("tweets", 0)}))
    log = [frame(("tweets", 0), 100, {WORDS[0]: 4}, 99), frame(("tweets", 0), 120, {WORDS[1]: 4}, 119)]
    deltas = run(owner, [*log, frame(("tweets", 0), 120, {}, 120)], [])
    given_away = [
        (delta.admitted_slots[0], delta.admitted_generations[0]) for delta in deltas if len(delta.admitted_keys)
    ]
    assert given_away == [(FIRST[0], 1), (FIRST[0], 2)]


def test_a_full_shard_changes_hands_only_past_the_margin():
    steady = msgspec.structs.replace(SETTINGS.word, half_life_windows=1e9)
    owner = VocabularyOwner(msgspec.structs.replace(SETTINGS, word=steady), [0], frozenset({("tweets", 0)}))
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


def test_what_breaks_a_promise_is_refused_and_leaves_no_trace():
    owner = VocabularyOwner(SETTINGS, [0, 1], SOURCES)
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


def test_an_idle_key_leaves_although_its_count_is_high_and_comes_back_when_it_is_seen():
    steady = msgspec.structs.replace(SETTINGS.word, half_life_windows=1e9, idle_windows=4)
    owner = VocabularyOwner(msgspec.structs.replace(SETTINGS, word=steady), [0], frozenset({("tweets", 0)}))
    a, b = WORDS[:2]
    log = [frame(("tweets", 0), 100, {a: 9, b: 9}, 99), frame(("tweets", 0), 103, {b: 1}, 102)]
    deltas = run(owner, [*log, frame(("tweets", 0), 107, {}, 107)], [])
    assert [(delta.version, delta.evicted_keys.tolist()) for delta in deltas if len(delta.evicted_keys)] == [
        (105, [a])
    ]
    assert not any(len(delta.admitted_keys) for delta in deltas[1:])
    again = run(owner, [frame(("tweets", 0), 108, {a: 1}, 107), frame(("tweets", 0), 108, {}, 108)], [])
    assert [delta.admitted_keys.tolist() for delta in again] == [[a]]


def test_a_lower_capacity_evicts_the_weakest_and_a_higher_one_moves_nobody():
    def of_words(slots: int) -> VocabSettings:
        word = msgspec.structs.replace(SETTINGS.word, capacity=slots * SHARDS, half_life_windows=1e9)
        return msgspec.structs.replace(SETTINGS, word=word, candidates_per_slot=3.0)

    owner = VocabularyOwner(of_words(2), [0], frozenset({("tweets", 0)}))
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
    layout = Layout.of(of_words(2)).changed(of_words(3))
    assert owner.layout == layout
    assert sorted(owner.tracked.slots.tolist()) == layout.slots_of(Namespace.WORD, 0).tolist()
    (held,) = owner.tracked.slots[owner.tracked.keys == b]
    assert held == deltas[0].admitted_slots[1]


def test_settings_in_the_log_hold_from_their_window_and_equal_ones_change_nothing():
    owner = VocabularyOwner(SETTINGS, [0], frozenset({("tweets", 0)}))
    other = msgspec.structs.replace(PLAIN, candidates_per_slot=1.0)
    owner.configure(configured(other))
    log = [frame(("tweets", 0), 100, {WORDS[0]: 4}, 99), configured(other, 101), frame(("tweets", 0), 102, {}, 102)]
    deltas = run(owner, log, [])
    assert owner.settings == other
    assert [delta.settings for delta in deltas] == [configured(other), None, None]
    restored = VocabularyOwner.from_bytes(SETTINGS, owner.to_bytes())
    assert restored.settings == other


def test_settings_that_cannot_hold_are_refused_and_leave_no_trace():
    owner = VocabularyOwner(SETTINGS, [0], SOURCES)
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


def test_a_kind_that_settings_do_not_name_has_no_slots():
    record = configured(SETTINGS, 7)
    older = msgspec.structs.replace(
        record, kinds={kind: record.kinds[kind] for kind in ("word", "hashtag", "viewer")}
    )
    assert (settings_of(older).word, settings_of(older).emoji.capacity) == (SETTINGS.word, 0)


def test_state_of_another_vocabulary_is_refused_and_settings_are_those_of_the_state():
    owner = VocabularyOwner(SETTINGS, [0, 1], SOURCES)
    with pytest.raises(SnapshotInvalid, match=r"vocab\.name"):
        VocabularyOwner.from_bytes(msgspec.structs.replace(SETTINGS, name="other"), owner.to_bytes())
    with pytest.raises(SnapshotInvalid):
        VocabularyOwner.from_bytes(SETTINGS, b"no state")
    assert VocabularyOwner.from_bytes(PLAIN, owner.to_bytes()).settings == SETTINGS


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
        VocabularyOwner(msgspec.structs.replace(PLAIN, word=kind), [0], SOURCES)
    with pytest.raises(SettingsError, match="candidates_per_slot"):
        VocabularyOwner(msgspec.structs.replace(PLAIN, candidates_per_slot=-1.0), [0], SOURCES)

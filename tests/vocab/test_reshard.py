"""A vocabulary of another number of shards: the same keys and counts, other slots, and decisions as ever."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.columnar import VocabCounts
from contracts.errors import SettingsError
from contracts.settings import VocabSettings
from tests.support.vocab_owner_logs import SOURCES, by_shard, frame, only, run
from vocab.decay import ONE
from vocab.keys import shard_of
from vocab.namespaces import Namespace
from vocab.owner.merge import merge
from vocab.owner.owner import VocabularyOwner
from vocab.owner.packed_state import pack
from vocab.owner.reference import ReferenceOwner, _Key, _Window
from vocab.owner.reshard import CannotReshard, Resharded, reshard
from vocab.owner.state import OwnerState
from vocab.replica.vocabulary import Vocabulary, changed_slots
from vocab.rules import configured
from vocab.slot_layout import SlotLayout

pytestmark = pytest.mark.slow

NUMBERS = (4, 16, 64, 128, 256)
MOST = max(NUMBERS)
PARTITIONS = 4
# Few slots a shard of few shards, and many keys that share the top eight bits: shards are fuller than others.
PLAIN = VocabSettings.uniform(
    capacity=MOST, rare_slots=8, admit_at=3.0, evict_below=1.0, half_life_windows=3.0, candidates_per_slot=1.5
)
SETTINGS = msgspec.structs.replace(
    PLAIN, word=msgspec.structs.replace(PLAIN.word, capacity=2 * MOST, half_life_windows=6.0, idle_windows=4)
)
KEYS = [top << 56 | i * 7 + 1 for top in (0, 1, 2, 3, 77, 78, 255) for i in range(6)]

Frames = Sequence[VocabCounts]


def of(shards: int) -> VocabSettings:
    return msgspec.structs.replace(SETTINGS, shards=shards)


@st.composite
def windows(draw: st.DrawFn, first: int, most: int) -> list[VocabCounts]:
    """Both sources count in some windows from `first` on; the last ones may stay open."""
    frames, window = [], first
    for _ in range(draw(st.integers(1, most))):
        window += draw(st.sampled_from([1, 1, 2]))
        for source in sorted(SOURCES):
            counts = draw(st.dictionaries(st.sampled_from(KEYS), st.integers(1, 6), min_size=10, max_size=40))
            frames.append(frame(source, window, counts, window - 1))
    closed = window if draw(st.booleans()) else window - 1
    return frames + [frame(source, closed, {}, closed) for source in sorted(SOURCES)]


def states_of(made_with: VocabSettings, frames: Frames) -> list[OwnerState]:
    owners = [
        VocabularyOwner.begin(made_with, range(partition, made_with.shards, PARTITIONS), SOURCES)
        for partition in range(PARTITIONS)
    ]
    for owner in owners:
        run(owner, [only(each, owner.state.shards, made_with.shards) for each in frames], [])
    return [owner.state for owner in owners]


def counts_of(states: Sequence[OwnerState]) -> dict[int, tuple[int, ...]]:
    """Key -> namespace, count, first and last seen, over all owners: each key once."""
    rows = [
        (key, *rest)
        for state in states
        for key, *rest in zip(
            *(
                state.tracked.column(name).tolist()
                for name in ("keys", "namespaces", "counts", "first_seen", "last_seen")
            ),
            strict=True,
        )
    ]
    assert max(Counter(row[0] for row in rows).values(), default=1) == 1
    return {row[0]: row[1:] for row in rows}


def slots_of(states: Sequence[OwnerState]) -> dict[int, int]:
    """Key -> slot, of those that have one."""
    return {
        key: slot
        for state in states
        for key, slot in zip(state.tracked.keys.tolist(), state.tracked.slots.tolist(), strict=True)
        if slot >= 0
    }


def open_windows(states: Sequence[OwnerState]) -> Iterator[tuple[int, tuple[list[int], ...]]]:
    for state in states:
        for window, pending in state.pending.held.items():
            yield from ((window, row) for row in zip(*(c.tolist() for c in pending.by_language()), strict=True))


def begun_from(made: Resharded, former: Sequence[OwnerState], made_with: VocabSettings) -> ReferenceOwner:
    """The plain owner, given the former owners' keys and, by the rule said plainly, new slots."""
    reference = ReferenceOwner(made_with, range(made_with.shards), SOURCES)
    layout = SlotLayout.of(made_with)
    tokens = {key: state.spellings.get(key) for state in former for key in state.tracked.keys.tolist()}
    had = slots_of(former)
    for key, (namespace, count, _, seen) in counts_of(former).items():
        shard = key * made_with.shards >> 64
        reference.keys[shard][key] = _Key(namespace, count, seen, -1, tokens[key])
    for shard, keys in reference.keys.items():
        for namespace in Namespace:
            holders = [key for key in keys if key in had and keys[key].namespace == namespace]
            table = layout.slots_of(namespace, shard).tolist()
            strongest = sorted(holders, key=lambda key: (keys[key].count, key), reverse=True)[: len(table)]
            for key, slot in zip(sorted(strongest, key=lambda key: (-keys[key].count, key)), table, strict=False):
                keys[key].slot = slot
                reference.generations[slot] = 1
    reference._take_settings(0)  # lays out the table
    reference.settings, reference.sequence = made_with, 1
    reference.version, reference.counted = former[0].version, former[0].counted
    reference.closed = dict(former[0].closed)
    for state in former:
        for window, pending in state.pending.held.items():
            mine = reference.windows.setdefault(window, _Window())
            for key, _, namespace, count in zip(*(c.tolist() for c in pending.by_language()), strict=True):
                mine.counts[key] = mine.counts.get(key, 0) + count
                mine.namespaces[key] = namespace
            mine.tokens |= {key: pending.spellings.get(key) for key in pending.spellings}
    return reference


@pytest.mark.slow
@given(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS), windows(100, 4), windows(109, 3))
@settings(max_examples=20, deadline=None)
def test_new_owners_hold_the_same_keys_and_decide_as_the_reference_started_from_them(before, after, first, then):
    former = states_of(of(before), first)
    if not former[0].version:
        return
    held, counted, waiting = slots_of(former), counts_of(former), sorted(open_windows(former))
    made = reshard(former, "wider", after, PARTITIONS)
    made_with = msgspec.structs.replace(of(after), name="wider")

    assert slots_of(former) == held
    assert counts_of(made.states) == counted
    assert sorted(open_windows(made.states)) == waiting
    slots = slots_of(made.states)
    assert len(set(slots.values())) == len(slots)
    assert set(slots) | {lost.key for lost in made.lost} == set(held)
    assert not set(slots) & {lost.key for lost in made.lost}
    for state in made.states:
        assert set(shard_of(state.tracked.keys, after).tolist()) <= set(state.shards)
        assert state.trends.keys[state.trends.languages == 0].tolist() == sorted(
            slots.keys() & set(state.tracked.keys.tolist())
        )

    reference = begun_from(made, former, made_with)
    later = []
    for state in made.states:
        restored = VocabularyOwner.from_bytes(made_with, pack(state))
        assert restored.to_bytes() == pack(state)
        later += run(restored, [only(each, state.shards, after) for each in then], [])
    assert by_shard(later) == by_shard(run(reference, then, []))

    replica = Vocabulary(made_with)
    for delta in [*made.deltas, *later]:
        replica.apply(delta)
    view = replica.at(former[0].version)
    assert dict(zip(view.keys.tolist(), view.slots.tolist(), strict=True)) == slots


@given(st.sampled_from(NUMBERS), windows(100, 4))
@settings(max_examples=20, deadline=None)
def test_there_and_back_again_every_key_has_its_count(other, first):
    former = states_of(of(64), first)
    if not former[0].version:
        return
    there = reshard(former, "there", other, PARTITIONS)
    back = reshard(there.states, "back", 64, PARTITIONS)
    assert counts_of(back.states) == counts_of(former)
    assert set(slots_of(back.states)) <= set(slots_of(former))
    if not there.lost:
        assert set(slots_of(back.states)) == set(slots_of(former))
        assert not back.lost
        for name in ("keys", "counts"):  # of trends: rows by owner, as the keys are shared out again as before
            assert [getattr(state.trends, name).tolist() for state in back.states] == [
                getattr(state.trends, name).tolist() for state in former
            ]
    for total in ("rest", "counts"):
        assert sum(getattr(state.drift, total).sum() for state in back.states) <= sum(
            state.drift.rest.sum() + state.drift.counts.sum() for state in former
        )
    everything = [
        sum(int(state.drift.rest.sum()) + int(state.drift.counts.sum()) for state in states)
        for states in (former, there.states, back.states)
    ]
    assert len(set(everything)) == 1


@given(windows(100, 4), st.sampled_from(NUMBERS))
@settings(max_examples=15, deadline=None)
def test_how_owners_shared_the_keys_changes_nothing(first, after):
    four = states_of(of(64), first)
    if not four[0].version:
        return
    one = VocabularyOwner.begin(of(64), range(64), SOURCES)
    run(one, first, [])
    of_four, of_one = (reshard(states, "wider", after, PARTITIONS) for states in (four, [one.state]))
    assert by_shard(of_four.deltas) == by_shard(of_one.deltas)
    merged = merge(four)
    merged.drift.changes = one.state.drift.changes  # rounded four times, as below
    assert pack(merged) == pack(one.state)
    for mine, theirs in zip(of_four.states, of_one.states, strict=True):
        # Each owner rounds what decay leaves of its admissions and evictions, a measure: four round four times.
        assert abs(mine.drift.changes - theirs.drift.changes) <= 4 * PARTITIONS
        mine.drift.changes = theirs.drift.changes
        assert pack(mine) == pack(theirs)


def test_keys_past_their_new_shards_slots_lose_them_weakest_first_and_are_named():
    # Of one key range of sixteen, every key: of 4 shards one has them all, of 16 too, with a quarter of the slots.
    small = msgspec.structs.replace(SETTINGS, word=msgspec.structs.replace(SETTINGS.word, capacity=16), shards=4)
    rest = {name: msgspec.structs.replace(small.word, capacity=0) for name in small.kinds if name != "word"}
    small = msgspec.structs.replace(small, **rest)
    keys = [i * 16 for i in range(4)]  # all words, by `frame`
    counts = frame(("tweets", 0), 100, {key: 5 + i for i, key in enumerate(keys)}, 99)
    frames = [counts, *(frame(source, 100, {}, 100) for source in SOURCES)]
    former = states_of(small, frames)
    assert set(slots_of(former)) == set(keys)
    made = reshard(former, "wider", 16, PARTITIONS)
    assert [(lost.key, lost.namespace, lost.token, lost.count) for lost in made.lost] == [
        (keys[i], Namespace.WORD, f"t{keys[i]}", 5.0 + i) for i in (2, 1, 0)
    ]
    assert set(slots_of(made.states)) == {keys[3]}
    (delta,) = [delta for delta in made.deltas if len(delta.admitted_keys)]
    assert (delta.base_version, delta.version, delta.sequence) == (0, 100, 1)
    assert delta.settings == configured(made.states[0].settings, 100, made_of="default")
    assert sum(state.drift.changes for state in made.states) == sum(state.drift.changes for state in former) + 3 * ONE


def test_what_cannot_be_made_is_refused_with_what_to_do():
    frames = [frame(source, 100, {KEYS[0]: 9}, 100 - 1) for source in sorted(SOURCES)]
    closing = [frame(source, 100, {}, 100) for source in sorted(SOURCES)]
    with pytest.raises(CannotReshard, match="has decided nothing yet"):
        reshard(states_of(of(64), frames), "wider", 128, PARTITIONS)
    states = states_of(of(64), frames + closing)
    with pytest.raises(SettingsError, match=r"vocab.shards is 100"):
        reshard(states, "wider", 100, PARTITIONS)
    with pytest.raises(CannotReshard, match="each of the 64 shards once"):
        reshard(states[:3], "wider", 128, PARTITIONS)
    behind = states_of(of(64), frames)
    with pytest.raises(CannotReshard, match="let `driftline worker` finish"):
        reshard([*states[:3], behind[3]], "wider", 128, PARTITIONS)
    few = msgspec.structs.replace(SETTINGS, word=msgspec.structs.replace(SETTINGS.word, capacity=64))
    with pytest.raises(SettingsError, match=r"vocab.word.capacity is 64, but each of 128 virtual shards"):
        reshard(states_of(few, frames + closing), "wider", 128, PARTITIONS)
    for state in states:
        VocabularyOwner(state).configure(configured(few, 105))
    with pytest.raises(SettingsError, match=r"to hold from window 105.*vocab.word.capacity"):
        reshard(states, "wider", 128, PARTITIONS)


def test_no_key_of_the_new_vocabulary_is_taken_for_the_one_that_had_its_slot():
    frames = [frame(source, 100, dict.fromkeys(KEYS[:9], 4), 99) for source in sorted(SOURCES)]
    closing = [frame(source, 100, {}, 100) for source in sorted(SOURCES)]
    made = reshard(states_of(of(64), frames + closing), "wider", 128, PARTITIONS)
    replica = Vocabulary(made.states[0].settings)
    for delta in made.deltas:
        replica.apply(delta)
    empty, full = replica.at(0), replica.at(100)
    assert len(empty) == 0
    slots, keys, generations = changed_slots(empty, full)
    assert set(keys.tolist()) == set(slots_of(made.states))
    assert (np.sort(full.slots) == slots).all()
    assert (generations == 1).all()

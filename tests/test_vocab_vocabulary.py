"""A replica of the vocabulary: what it answers at a version never changes, and a broken chain is refused."""

import msgspec
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.codec import encode
from contracts.errors import ChainBroken, SnapshotInvalid, VersionNotReached, VersionRetired
from contracts.frames import VocabCounts, VocabDelta
from contracts.records import VocabConfigured
from contracts.settings import VocabSettings
from tests.vocab_frames import SOURCE, counts_frame
from vocab.keys import SHARDS, shard_of, shard_shift
from vocab.layout import Layout
from vocab.namespaces import Namespace
from vocab.owner import VocabularyOwner
from vocab.rules import configured
from vocab.vocabulary import RETAINED, Vocabulary, VocabularyView, changed_slots

SETTINGS = VocabSettings.uniform(
    capacity=2 * SHARDS, rare_slots=5, admit_at=2.0, evict_below=1.0, half_life_windows=1.5, candidates_per_slot=4.0
)
PER_SHARD = 5  # keys of each shard that has any: the first, the fourth and the last


def keys_of(shards: int) -> list[int]:
    return [shard << shard_shift(shards) | i + 1 for shard in (0, 3, shards - 1) for i in range(PER_SHARD)]


KEYS = keys_of(SHARDS)
PROBES = np.array([*KEYS, 0, 2**64 - 1, 3 << 58], np.uint64)


def counts(window: int, occurrences: dict[int, int], closed: int) -> VocabCounts:
    return counts_frame(window, closed, list(occurrences), list(occurrences.values()))


class Log:
    """An owner of all shards, one window at a time; beside it four that share them out, fed in other pieces."""

    def __init__(self, made_with: VocabSettings = SETTINGS) -> None:
        shards = made_with.shards
        self.owner = VocabularyOwner(made_with, range(shards), frozenset({SOURCE}))
        self.four = [VocabularyOwner(made_with, range(i, shards, 4), frozenset({SOURCE})) for i in range(4)]
        self.window = 10

    def next(self, occurrences: dict[int, int], gap: int = 1) -> list[VocabDelta]:
        self.window += gap
        self.owner.observe(counts(self.window, occurrences, self.window - 1))
        self.owner.observe(counts(self.window, {}, self.window))
        deltas = self.owner.close_windows()
        assert self._of_four(occurrences) == {_place(delta): encode(delta) for delta in deltas}
        return deltas

    def configure(self, record: VocabConfigured) -> None:
        for owner in (self.owner, *self.four):
            owner.configure(record)

    def restart(self) -> None:
        """Every owner goes on from its saved state; whatever a worker's own settings are, the state's hold."""
        others = VocabSettings(shards=self.owner.settings.shards)
        self.owner = VocabularyOwner.from_bytes(others, self.owner.to_bytes())
        self.four = [VocabularyOwner.from_bytes(others, owner.to_bytes()) for owner in self.four]

    def _of_four(self, occurrences: dict[int, int]) -> dict[tuple[int, int], bytes]:
        """What the four decide: one frame a key, last key first, and each owner's share at a time."""
        found = {}
        for number, owner in enumerate(self.four):
            for key in sorted(occurrences, reverse=True):
                if shard_of(np.array([key], np.uint64), owner.settings.shards)[0] % 4 == number:
                    owner.observe(counts(self.window, {key: occurrences[key]}, self.window - 1))
            owner.observe(counts(self.window, {}, self.window - 1))  # "this source counted in this window"
            owner.observe(counts(self.window, {}, self.window))
            found |= {_place(delta): encode(delta) for delta in owner.close_windows()}
        return found


def _place(delta: VocabDelta) -> tuple[int, int]:
    return delta.version, delta.shard


def table(view: VocabularyView) -> tuple[list[int], ...]:
    return view.keys.tolist(), view.slots.tolist(), view.generations.tolist()


class Replicas(RuleBasedStateMachine):
    """One replica reads shards as they come, one far apart, one starts from saved arrays; all agree, with each other
    and with their owners, whatever the settings become and however the owners share the shards."""

    @initialize(shards=st.sampled_from([16, SHARDS, 128]))
    def begin(self, shards: int) -> None:
        self.shards = shards
        word = msgspec.structs.replace(SETTINGS.word, capacity=2 * shards)
        plain = VocabSettings.uniform(**{**msgspec.structs.asdict(SETTINGS.word), "capacity": 2 * shards})
        self.made_with = msgspec.structs.replace(plain, shards=shards, word=word)
        self.keys = keys_of(shards)
        self.probes = np.array([*self.keys, 0, 2**64 - 1, 3 << shard_shift(shards)], np.uint64)
        self.log = Log(self.made_with)
        self.live = Vocabulary(self.made_with)
        self.late = Vocabulary(self.made_with)
        self.unread: dict[int, list[VocabDelta]] = {shard: [] for shard in range(shards)}
        self.joined: list[Vocabulary] = []
        self.last: dict[int, VocabDelta] = {}
        self.seen: dict[int, tuple[list[int], tuple[list[int], ...]]] = {}

    @rule(
        occurrences=st.dictionaries(st.integers(0, 3 * PER_SHARD - 1), st.integers(1, 5), max_size=10),
        gap=st.sampled_from([1, 1, 1, 4, 40]),
    )
    def close_a_window(self, occurrences: dict[int, int], gap: int) -> None:
        for delta in self.log.next({self.keys[i]: count for i, count in occurrences.items()}, gap):
            self.live.apply(delta)
            for replica in self.joined:
                replica.apply(delta)
            self.unread[delta.shard].append(delta)
            self.last[delta.shard] = delta
        view = self.live.at(self.live.complete_through)
        self.seen[view.version] = (view.lookup(self.probes).tolist(), table(view))

    @rule(
        slots=st.integers(0, 3),
        rare=st.integers(1, 9),
        idle=st.sampled_from([2, 1_000]),
        half_life=st.sampled_from([1.5, 9.0]),
        ahead=st.integers(1, 3),
    )
    def settings_change(self, slots: int, rare: int, idle: int, half_life: float, ahead: int) -> None:
        word = msgspec.structs.replace(
            self.made_with.word,
            capacity=slots * self.shards,
            rare_slots=rare,
            idle_windows=idle,
            half_life_windows=half_life,
        )
        self.log.configure(configured(msgspec.structs.replace(self.made_with, word=word), self.log.window + ahead))

    @rule()
    def owners_are_restarted(self) -> None:
        self.log.restart()

    @precondition(lambda self: self.live.complete_through)
    @rule(which=st.sampled_from([0, 3, -1]), repeat=st.booleans())
    def what_does_not_come_next_is_refused_and_changes_nothing(self, which: int, repeat: bool) -> None:
        last = self.last[which % self.shards]
        wrong = last if repeat else msgspec.structs.replace(last, sequence=last.sequence + 2)
        before = self.live.at(self.live.complete_through)
        with pytest.raises(ChainBroken, match="repeats" if repeat else "a gap"):
            self.live.apply(wrong)
        assert self.live.at(self.live.complete_through) is before

    @rule(shards=st.sets(st.integers(0, 15)), most=st.integers(1, 30))
    def late_replica_reads_some_shards(self, shards: set[int], most: int) -> None:
        for shard in shards | {0, 3, self.shards - 1}:
            for delta in self.unread[shard][:most]:
                self.late.apply(delta)
            del self.unread[shard][:most]

    @rule()
    def late_replica_catches_up(self) -> None:
        for shard, deltas in self.unread.items():
            for delta in deltas:
                self.late.apply(delta)
            self.unread[shard] = []
        assert self.late.complete_through == self.live.complete_through

    @precondition(lambda self: self.live.complete_through)
    @rule()
    def a_replica_joins_from_arrays(self) -> None:
        arrays = self.live.at(self.live.complete_through).to_arrays()
        self.joined = [Vocabulary(self.made_with, VocabularyView.from_arrays(arrays))]

    @invariant()
    def every_retained_version_answers_as_at_first(self) -> None:
        for replica in (self.live, self.late, *self.joined):
            for version, (slots, contents) in self.seen.items():
                if replica.retained_from <= version <= replica.complete_through:
                    view = replica.at(version)
                    assert view.version == version
                    assert view.lookup(self.probes).tolist() == slots
                    assert table(view) == contents

    @invariant()
    def no_two_keys_share_a_slot_and_none_is_in_the_rare_region(self) -> None:
        view = self.live.at(self.live.complete_through)
        assert len(set(view.slots.tolist())) == len(view)
        assert (view.layout.locate(view.slots)[0] == Namespace.WORD).all()
        assert view.is_admitted(view.keys).all()
        slots = view.lookup(self.probes)
        assert (np.isin(slots, view.layout.rare_rows) != view.is_admitted(self.probes)).all()

    @invariant()
    def it_holds_what_the_owner_holds(self) -> None:
        tracked = self.log.owner.tracked
        held = tracked.slots >= 0
        view = self.live.at(self.live.complete_through)
        assert view.keys.tolist() == tracked.keys[held].tolist()
        assert view.slots.tolist() == tracked.slots[held].tolist()


Replicas.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
TestReplicas = Replicas.TestCase


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
    slot = Layout.of(SETTINGS).slots_of(Namespace.WORD, 0)[:1]
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
    empty_view = VocabularyView.empty(SETTINGS)
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
    "header": np.array([2, 7, 1, SHARDS], np.int64),
    "extents": np.array([256, 0, 5, 257, 5, 1, 258, 6, 1, 2, 7, 2], np.int64),
    "rare": np.array([5, 1, 1], np.int64),
    "keys": np.array([3, 9], np.uint64),
    "slots": np.array([8, 7], np.int32),
    "generations": np.array([1, 2], np.uint32),
}


def test_views_are_read_only_and_survive_their_arrays():
    arrays = {name: column.copy() for name, column in ARRAYS.items()}
    view = VocabularyView.from_arrays(arrays)
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
        {"header": np.array([1, 7, 1, SHARDS], np.int64)},
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
        VocabularyView.from_arrays({**ARRAYS, **change})
    with pytest.raises(SnapshotInvalid, match="keys"):
        VocabularyView.from_arrays({name: column for name, column in ARRAYS.items() if name != "keys"})


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

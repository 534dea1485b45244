"""Replicas agree with each other and with their owners, however they read and whatever the settings become."""

import msgspec
import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.columnar import VocabDelta
from contracts.errors import ChainBroken
from contracts.settings import VocabSettings
from tests.support.owned_log import PER_SHARD, SETTINGS, Log, keys_of, table
from vocab.keys import SHARDS, shard_shift
from vocab.namespaces import Namespace
from vocab.replica.vocabulary import FrozenVocabulary, Vocabulary
from vocab.rules import configured


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
        self.joined = [Vocabulary(self.made_with, FrozenVocabulary.from_arrays(arrays))]

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
        tracked = self.log.owner.state.tracked
        held = tracked.slots >= 0
        view = self.live.at(self.live.complete_through)
        assert view.keys.tolist() == tracked.keys[held].tolist()
        assert view.slots.tolist() == tracked.slots[held].tolist()


Replicas.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
TestReplicas = Replicas.TestCase

"""The owner's deltas are a function of the sources' logs, and equal those of the plain reference."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.columnar import VocabCounts
from contracts.records import VocabConfigured
from tests.support.vocab_owner_logs import (
    KEYS,
    ORDER,
    SETTINGS,
    SOURCES,
    by_shard,
    frame,
    interleaved,
    logs,
    of_shards,
    only,
    run,
    trend_rows,
)
from vocab.keys import SHARDS
from vocab.languages import UND, language_code
from vocab.owner.owner import VocabularyOwner
from vocab.owner.reference import ReferenceOwner
from vocab.rules import configured, settings_of


@pytest.mark.slow
@given(logs(), ORDER, ORDER)
@settings(max_examples=30, deadline=None)
def test_owner_equals_reference_whatever_the_order_and_the_time_of_closing(log, order, close):
    frames = interleaved(log, order)
    reference = run(ReferenceOwner(SETTINGS, range(SHARDS), SOURCES), interleaved(log, []), [])
    owner = run(VocabularyOwner.begin(SETTINGS, range(SHARDS), SOURCES), frames, close)
    assert by_shard(owner) == by_shard(reference)
    assert [d.version for d in owner] == sorted(d.version for d in owner)
    for delta in owner:
        for keys in (delta.admitted_keys, delta.evicted_keys):
            assert keys.tolist() == sorted(keys.tolist()), "rows ascend by key"


@pytest.mark.slow
@given(logs(), ORDER, ORDER)
@settings(max_examples=12, deadline=None)
def test_four_owners_decide_as_one(log, order, close):
    frames = interleaved(log, order)
    whole = VocabularyOwner.begin(SETTINGS, range(SHARDS), SOURCES)
    one = run(whole, interleaved(log, []), [])
    four, trends = [], []
    for partition in range(4):
        shards = range(partition, SHARDS, 4)
        owner = VocabularyOwner.begin(SETTINGS, shards, SOURCES)
        four += run(owner, [only(each, shards) for each in frames], close)
        trends += trend_rows(owner)
    assert by_shard(four) == by_shard(one)
    assert sorted(trends) == trend_rows(whole)


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
        owner = VocabularyOwner.begin(made_with, mine, SOURCES)
        four += run(owner, [only(each, mine, shards) for each in frames], close)
        assert VocabularyOwner.from_bytes(made_with, owner.to_bytes()).to_bytes() == owner.to_bytes()
    assert by_shard(four) == by_shard(reference)


def test_decisions_do_not_depend_on_languages():
    one, other = (VocabularyOwner.begin(SETTINGS, range(SHARDS), frozenset({("tweets", 0)})) for _ in range(2))
    known = frame(("tweets", 0), 100, {KEYS[0]: 5}, 99)
    undetermined = msgspec.structs.replace(known, languages=np.full(len(known.keys), UND, np.uint16))
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
    other.observe(undetermined)
    rows = [
        tuple(column.tolist() for column in owner.state.pending.held[100].by_language()[1:]) for owner in (one, other)
    ]
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

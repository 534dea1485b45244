"""An owner's state: saved and restored at any point it changes nothing, and its size is bounded by the settings."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import SnapshotInvalid
from tests.support.vocab_owner_logs import ORDER, PLAIN, SETTINGS, SOURCES, by_shard, interleaved, logs, run, take
from vocab.keys import SHARDS
from vocab.owner.owner import VocabularyOwner


@pytest.mark.slow
@given(logs(), ORDER, st.integers(0, 15))
@settings(max_examples=12, deadline=None)
def test_saving_and_restoring_at_any_point_changes_nothing(log, order, point):
    frames = interleaved(log, order)
    plain = VocabularyOwner.begin(SETTINGS, range(SHARDS), SOURCES)
    expected = run(plain, frames, [True] * point)
    owner = VocabularyOwner.begin(SETTINGS, range(SHARDS), SOURCES)
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
    one, other = (VocabularyOwner.begin(SETTINGS, range(SHARDS), SOURCES) for _ in range(2))
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
    owner = VocabularyOwner.begin(SETTINGS, range(SHARDS), SOURCES)
    run(owner, interleaved(log, []), [])
    for namespace in (0, 1):
        keys = owner.state.tracked.keys[owner.state.tracked.namespaces == namespace]
        per_shard = np.bincount((keys >> np.uint64(58)).astype(int), minlength=SHARDS)
        assert per_shard.max() <= owner.state.rules[namespace].per_shard + owner.state.rules[namespace].kept
    assert set(owner.state.spellings) == set(owner.state.tracked.keys.tolist())


def test_state_of_another_vocabulary_is_refused_and_settings_are_those_of_the_state():
    owner = VocabularyOwner.begin(SETTINGS, [0, 1], SOURCES)
    with pytest.raises(SnapshotInvalid, match=r"vocab\.name"):
        VocabularyOwner.from_bytes(msgspec.structs.replace(SETTINGS, name="other"), owner.to_bytes())
    with pytest.raises(SnapshotInvalid):
        VocabularyOwner.from_bytes(SETTINGS, b"no state")
    assert VocabularyOwner.from_bytes(PLAIN, owner.to_bytes()).state.settings == SETTINGS

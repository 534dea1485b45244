"""Versions move with the examples: forward only, no further than asked, and as the logs say."""

import pytest

from contracts.errors import ChainBroken
from tests.support.trainer_world import WINDOWS, World, small_settings, versions_of
from trainer.learner import Learner
from trainer.versions import Versions, target_version

SETTINGS = small_settings("")
FIRST, SECOND, THIRD = WINDOWS


def _fed() -> Versions:
    return versions_of(World(), SETTINGS, Learner(SETTINGS))


def test_the_target_is_two_windows_behind_and_never_goes_back() -> None:
    assert target_version(600_000, 60_000, current=0) == 8
    assert target_version(659_999, 60_000, current=0) == 8
    assert target_version(600_000, 60_000, current=9) == 9
    assert target_version(0, 60_000, current=0) == 0


def test_deltas_ahead_of_the_version_wait() -> None:
    versions = _fed()
    before = versions.waiting_deltas(0)
    assert versions.reach(FIRST)
    assert versions.complete_through == (FIRST, FIRST)
    assert versions.waiting_deltas(0) == before - 64
    assert versions.reach(SECOND)
    assert versions.at(SECOND)[0].version == SECOND
    assert versions.waiting_bins() == 1


def test_a_version_between_two_that_were_emitted_is_that_of_the_earlier() -> None:
    world, settings = World(), SETTINGS
    versions = Versions(settings, Learner(settings).vocabulary, {})
    for offset, delta in enumerate(world.vocabulary_log(settings, range(FIRST, FIRST + 20, 10))):
        versions.feed_vocabulary(0, offset, delta)
    for version in world.bins_log(range(FIRST, FIRST + 20, 10)):
        versions.feed_bins(version)
    assert versions.reach(FIRST + 5)
    vocabulary, bins, _ = versions.at(FIRST + 5)
    assert (vocabulary.version, bins.version) == (FIRST, FIRST)


def test_one_log_alone_does_not_reach_a_version() -> None:
    world = World()
    versions = Versions(SETTINGS, Learner(SETTINGS).vocabulary, {})
    for version in world.bins_log(WINDOWS):
        versions.feed_bins(version)
    assert not versions.reach(FIRST)
    deltas = world.vocabulary_log(SETTINGS, WINDOWS)
    for offset, delta in enumerate(deltas[:63]):
        versions.feed_vocabulary(0, offset, delta)
    assert not versions.reach(FIRST)
    versions.feed_vocabulary(0, 63, deltas[63])
    assert versions.reach(FIRST)


def test_offsets_name_what_a_restarted_replica_still_needs() -> None:
    world, versions = World(), _fed()
    assert versions.reach(SECOND)
    view, _, _ = versions.at(SECOND)
    offsets = versions.offsets_after(view.version)
    assert offsets == {0: 128}
    again = Versions(SETTINGS, view, offsets)
    assert again.offsets_after(view.version) == offsets
    for offset, delta in enumerate(world.vocabulary_log(SETTINGS, WINDOWS)):
        if offset >= offsets[0]:
            again.feed_vocabulary(0, offset, delta)
    for version in world.bins_log(WINDOWS):
        again.feed_bins(version)
    assert again.reach(THIRD)
    assert versions.reach(THIRD)
    assert (again.at(THIRD)[0].keys == versions.at(THIRD)[0].keys).all()
    assert again.offsets_after(THIRD) == {0: 192}


def test_a_gap_in_a_log_is_refused() -> None:
    versions = Versions(SETTINGS, Learner(SETTINGS).vocabulary, {})
    deltas = World().vocabulary_log(SETTINGS, WINDOWS)
    for offset, delta in enumerate(deltas[64:]):
        versions.feed_vocabulary(0, offset, delta)
    with pytest.raises(ChainBroken):
        versions.reach(SECOND)

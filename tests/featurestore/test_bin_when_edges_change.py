"""When edges roll: with enough values, when the distribution has moved or the window has passed; never by chance, and
never at every turn of two that alternate."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from contracts.settings import BinSettings
from featurestore.bins.edges import NO_EDGES, cells
from featurestore.bins.owner import BinOwner
from featurestore.bins.when_edges_change import Published, Values, is_due
from tests.support.bin_samples import SOURCES, counted, sketch_of

SETTINGS = BinSettings(bins=8, rolling_windows=32, minimum_values=500, moved=0.1)


def rolls(records):
    return {record.version: record.edges["tweet.text_length"] for record in records if record.edges}


def draws(seed, low, high, windows, size=200):
    random = np.random.default_rng(seed)
    return {window: random.integers(low, high, size).tolist() for window in windows}


def test_edges_come_with_enough_values_and_stay_while_nothing_moves():
    _, records = counted(SETTINGS, draws(1, 1, 200, range(1, 31)))
    assert list(rolls(records)) == [3]  # 400 values are too few
    assert [record.version for record in records] == list(range(1, 31))


def test_edges_roll_when_the_distribution_moves_and_the_window_forgets():
    values = draws(1, 1, 200, range(1, 40)) | draws(2, 2_000, 4_000, range(40, 80))
    _, records = counted(SETTINGS, values)
    versions = list(rolls(records))
    after = [version for version in versions if version >= 40]
    assert after[0] <= 50  # a quarter of the window, soon after a roll that the window itself made
    assert 2 <= len(after) <= 8  # and not at each of the windows that it took to pass
    assert rolls(records)[versions[-1]][0] > 2_000


def test_what_is_older_than_the_whole_window_is_taken_anew():
    owner, records = counted(SETTINGS, draws(3, 1, 200, range(1, 70)))
    versions = list(rolls(records))
    assert versions[0] == 3
    assert set(versions) <= {3, 3 + 32, 3 + 64}
    assert len(versions) > 1
    assert owner.edge_changes[-1][0] == versions[-1]


def test_a_roll_that_is_due_waits_until_the_window_holds_enough_values():
    """`minimum_values` is not for the first edges alone; an empty window gets a record, and no edges."""
    few = replace_settings(rolling_windows=16)
    values = draws(1, 1, 200, range(1, 5)) | draws(2, 1, 200, range(60, 70), size=100)
    _, records = counted(few, values)
    versions = list(rolls(records))
    assert versions[0] == 3
    # From window 19 on nothing is left in the window; the roll that was due then comes with the fifth 100 values.
    assert versions[1] == 64
    assert any(19 <= record.version < 60 for record in records)


@pytest.mark.parametrize("turn", [1, 2, 5, 8])
def test_two_distributions_that_take_turns_do_not_roll_the_edges_at_each_turn(turn):
    windows = range(1, 321)
    values = draws(4, 1, 200, windows) | draws(5, 2_000, 4_000, [w for w in windows if w // turn % 2])
    _, records = counted(SETTINGS, values)
    versions = np.array(list(rolls(records)))
    assert (np.diff(versions) > SETTINGS.moved * SETTINGS.rolling_windows).all()  # whatever the values do
    turns = 320 // turn
    assert len(versions) <= max(turns // 4, 320 // 32 + 3)


def test_no_more_rolls_than_the_bar_lets_pass_whatever_the_values_do():
    random = np.random.default_rng(6)
    values = {w: (np.exp(random.uniform(0, 8)) * random.uniform(1, 2, 600)).tolist() for w in range(1, 200)}
    settings = replace_settings(rolling_windows=16, moved=0.25)
    _, records = counted(settings, values)
    versions = np.array(list(rolls(records)))
    assert len(versions) > 10
    assert (np.diff(versions) > 0.25 * 16).all()


def replace_settings(**changes):
    return msgspec.structs.replace(SETTINGS, **changes)


def test_small_samples_of_one_distribution_do_not_pass_for_two():
    random = np.random.default_rng(7)
    due = 0
    for _ in range(300):
        one, other = (Values.unlabelled(sketch_of(random.lognormal(size=60))) for _ in range(2))
        settings = replace_settings(minimum_values=50, moved=0.0)
        due += is_due(settings, Published(NO_EDGES, one, 1, "rule"), other, 2, "rule")
    assert due <= 2  # one in a thousand


def test_positives_that_move_are_a_move_of_their_own():
    every = sketch_of(np.arange(1, 10_001))
    low, high = sketch_of(np.arange(1, 1_001)), sketch_of(np.arange(9_001, 10_001))
    published = Published(NO_EDGES, Values(every, low), 1, "tree")
    assert is_due(SETTINGS, published, Values(every, high), 20, "tree")
    assert not is_due(SETTINGS, published, Values(every, low), 20, "tree")


def test_another_number_of_bins_takes_effect_with_the_next_window():
    values = draws(8, 1, 200, range(1, 5))
    owner, _ = counted(SETTINGS, values)
    other = BinOwner.from_bytes(replace_settings(bins=4), SOURCES, owner.to_bytes())
    assert len(other.edges()["tweet.text_length"]) == 7
    follow = counted(replace_settings(bins=4), values)[0]
    assert len(follow.edges()["tweet.text_length"]) == 3
    published = Published(NO_EDGES, Values.unlabelled(sketch_of(values[1] * 3)), 4, "equal-mass 8")
    assert is_due(SETTINGS, published, published.values, 5, "equal-mass 4")
    assert not is_due(SETTINGS, replace(published, rule="equal-mass 4"), published.values, 5, "equal-mass 4")


def test_cells_are_published_where_ties_break_the_ranks_and_nowhere_else():
    spread = draws(9, 1, 100_000, range(1, 5))
    tied = {window: [140.0] * 400 for window in range(5, 12)}
    owner, records = counted(SETTINGS, spread | tied)
    changed = [record for record in records if record.edges]
    assert not changed[0].cells
    (edges_before, edges_after) = (np.array(r.edges["tweet.text_length"], np.float32) for r in changed[-2:])
    mixed = changed[-1].cells["tweet.text_length"]
    values = np.concatenate([v for w, v in (spread | tied).items() if w <= changed[-1].version])
    assert mixed == cells(edges_before, edges_after, sketch_of(values)).tolist()
    assert sum(mixed) == len(values)
    assert owner.version == 11

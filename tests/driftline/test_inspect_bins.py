"""How far edges moved, and how they are drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import BinsVersion
from contracts.settings import Settings
from driftline.cli.bins import density, plot
from driftline.inspect import bins
from driftline.inspect.bins import distance

EDGES = st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=20, unique=True).map(sorted)


@given(EDGES, EDGES)
def test_distance_is_a_share_and_the_same_both_ways(before: list[float], after: list[float]) -> None:
    assert 0.0 <= distance(before, after) <= 1.0
    assert distance(before, after) == pytest.approx(distance(after, before))
    assert distance(before, before) == 0.0


def test_edges_that_all_pass_the_others_are_as_far_as_edges_can_tell() -> None:
    assert distance([1.0, 2.0, 3.0], [11.0, 12.0, 13.0]) == pytest.approx(0.5)  # 3/4 of the one, 1/4 of the other


def test_a_small_shift_moves_little() -> None:
    edges = [float(i) for i in range(1, 16)]
    assert distance(edges, [edge + 0.1 for edge in edges]) == pytest.approx(0.1 / 16)


def test_edges_that_come_or_go_altogether_are_as_far_as_can_be() -> None:
    assert distance([], [1.0]) == 1.0
    assert distance([], []) == 0.0


@given(EDGES)
def test_a_plot_has_its_width_and_marks_the_outermost_edges(edges: list[float]) -> None:
    line = plot(edges)
    assert len(line) == 60
    assert line[0] == "|" or len(set(edges)) == 1
    assert set(line) <= {"|", "·"}


@given(EDGES)
def test_blocks_are_as_wide_as_the_line_and_somewhere_high(edges: list[float]) -> None:
    blocks = density(edges)
    assert len(blocks) == 60
    assert "█" in blocks


def test_blocks_stand_high_where_edges_are_close() -> None:
    blocks = density([1.0, 1.01, 1.02, 1.03, 1000.0])
    assert blocks[0] == "█"
    assert set(blocks[1:]) == {"▁"}
    assert density([7.0]) == ""


def test_no_edges_are_said_in_words() -> None:
    assert plot([]) == "(no edges: one bin)"


def test_the_first_edges_count_from_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    log = [(1, []), (2, [1.0, 2.0, 3.0]), (3, [1.1, 2.1, 3.1])]
    records = [
        (None, BinsVersion(base_version=0, version=v, sequence=v, edges={"a": edges}, cells={})) for v, edges in log
    ]
    monkeypatch.setattr(bins, "read_records", lambda *_: iter(records))
    summary = bins.summarize(Settings())[0]
    assert (summary.first.version, summary.newest.version, summary.versions) == (2, 3, 3)
    assert summary.moved == pytest.approx(0.1 / 4)

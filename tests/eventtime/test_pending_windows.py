"""Counts of open windows: what was spilled and what is held add up to what came, and memory keeps its bound."""

import collections

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtime.pending_windows import PendingWindows, Spilled


class Numbers:
    """Counts of a window, each a row."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    @property
    def rows(self) -> int:
        return len(self.numbers)

    def sum_up(self) -> None:
        self.numbers.sort()

    def to_parts(self) -> list[bytes]:
        return [bytes(self.numbers[begin : begin + 3]) for begin in range(0, self.rows, 3)]

    def add_part(self, data: bytes) -> None:
        self.numbers += data


additions = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 255)), max_size=30)


@given(st.lists(st.tuples(additions, st.integers(0, 20)), max_size=8), st.integers(0, 6), st.integers(1, 10))
def test_what_is_taken_back_is_what_came(rounds, closed, most):
    pending: PendingWindows[Numbers] = PendingWindows(Numbers)
    stored: dict[int, list[bytes]] = collections.defaultdict(list)
    came: dict[int, list[int]] = collections.defaultdict(list)
    for added, bound in rounds:
        for window, number in added:
            pending.open(window).numbers.append(number)
            came[window].append(number)
        for part in pending.spill(bound):
            assert part.number == len(stored[part.window])
            stored[part.window].append(part.data)
        assert pending.rows <= bound
    assert list(pending) == sorted(came)
    assert {window: of.parts for window, of in pending.spilled.items()} == {w: len(p) for w, p in stored.items()}
    runs = pending.due(closed, most)
    assert [window for run in runs for window in run] == [window for window in sorted(stored) if window <= closed]
    assert all(len(run) == 1 or sum(pending.spilled[w].rows for w in run) <= most for run in runs)
    for window in sorted(stored):
        pending.take_back(window, stored[window])
    assert {window: sorted(pending.pop(window).numbers) for window in list(pending)} == {
        window: sorted(numbers) for window, numbers in came.items()
    }


def test_the_windows_that_are_decided_first_stay_in_memory():
    pending: PendingWindows[Numbers] = PendingWindows(Numbers)
    for window in (3, 1, 2):
        pending.open(window).numbers += [window] * 4
    assert [part.window for part in pending.spill(5)] == [3, 3, 2, 2]
    assert pending.spilled == {3: Spilled(2, 4), 2: Spilled(2, 4)}
    assert list(pending.held) == [1]


def test_a_window_is_not_decided_without_all_its_counts():
    pending: PendingWindows[Numbers] = PendingWindows(Numbers)
    pending.open(1).numbers += [1, 2, 3, 4]
    parts = pending.spill(0)
    with pytest.raises(ValueError, match="window 1 is decided before its spilled counts were taken back"):
        pending.pop(1)
    with pytest.raises(ValueError, match="window 1 was spilled in 2 parts, not 1"):
        pending.take_back(1, [parts[0].data])

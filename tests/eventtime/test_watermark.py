import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.settings import TimeSettings
from eventtime.watermark import Watermark

SETTINGS = TimeSettings(window_ms=100, lateness_ms=150, jump_ms=1_000, jump_authors=3)
APPENDED_MS = 15_000

events = st.lists(
    st.tuples(st.integers(10_000, 20_000), st.integers(1, 5), st.booleans() | st.just(False)), max_size=60
)


def observe(watermark: Watermark, batch: list[tuple[int, int, bool]]) -> list[tuple[int, bool, bool]]:
    at_ms = np.array([at for at, _, _ in batch], np.int64)
    authors = np.array([author for _, author, _ in batch], np.uint64)
    ticks = np.array([tick for _, _, tick in batch], np.bool_)
    seen = watermark.observe(at_ms, authors, ticks, np.full(len(batch), APPENDED_MS, np.int64))
    return list(zip(seen.windows.tolist(), seen.believed.tolist(), seen.late.tolist(), strict=True))


@given(events, st.lists(st.integers(0, 60), max_size=5))
def test_any_split_into_batches_gives_the_same_windows_and_clock(batch, cuts):
    whole, split = Watermark(SETTINGS), Watermark(SETTINGS)
    expected = observe(whole, batch)
    found = []
    edges = sorted({0, len(batch), *(cut for cut in cuts if cut < len(batch))})
    for begin, end in itertools.pairwise(edges):
        found += observe(split, batch[begin:end])
        restored = Watermark(SETTINGS)
        restored.restore(split.to_dict())
        split = restored
    assert found == expected
    assert split.to_dict() == whole.to_dict()


@given(events)
def test_nothing_counts_in_a_closed_window(batch):
    watermark = Watermark(SETTINGS)
    for event in batch:
        closed = watermark.closed_through
        [(window, _, _)] = observe(watermark, [event])
        assert window > closed
        assert watermark.closed_through >= closed


def test_one_wrong_clock_does_not_move_time():
    watermark = Watermark(SETTINGS)
    observe(watermark, [(10_000, 1, False)])
    [(_, believed, _)] = observe(watermark, [(900_000, 2, False)])
    assert not believed
    assert watermark.newest_ms == 10_000


def test_the_first_clock_is_not_believed_far_ahead_of_the_brokers():
    watermark = Watermark(SETTINGS)
    verdicts = observe(watermark, [(APPENDED_MS + 1_001, 1, False), (10_000, 2, False)])
    assert [believed for _, believed, _ in verdicts] == [False, True]
    assert watermark.newest_ms == 10_000


def test_three_distinct_authors_move_time():
    watermark = Watermark(SETTINGS)
    observe(watermark, [(10_000, 1, False)])
    verdicts = observe(watermark, [(50_000, 2, False), (50_010, 2, False), (50_020, 3, False), (50_030, 4, False)])
    assert [believed for _, believed, _ in verdicts] == [False, False, False, True]
    assert watermark.newest_ms == 50_030


def test_a_tick_moves_time_alone():
    watermark = Watermark(SETTINGS)
    observe(watermark, [(10_000, 1, False), (500_000, 0, True)])
    assert watermark.newest_ms == 500_000
    assert watermark.closed_through == (500_000 - 150) // 100 - 1

"""The clock of a partition: a function of its log, which no client moves past the broker's time."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import TimeDeclared, TimeMode
from contracts.settings import TimeSettings
from eventtime.watermark import EVENT, NOT_STARTED, ClockBefore, ClockState, Watermark

SETTINGS = TimeSettings(window_ms=100, lateness_ms=150)
LATENESS = SETTINGS.lateness_ms


class Log(NamedTuple):
    """A record: an event or a tick with its own time, or a declaration."""

    at_ms: int
    append_ms: int
    tick_epoch: int = EVENT
    declared: TimeDeclared | None = None


def declaration(epoch: int, mode: TimeMode = TimeMode.REPLAY) -> Log:
    return Log(0, 0, declared=TimeDeclared(mode=mode, epoch=epoch, writer="test"))


def observe(clock: Watermark, records: list[Log]) -> list[tuple[int, int, bool, bool]]:
    """(window, watermark before, believed, late) of each event and tick, observed in runs between declarations."""
    found = []
    for is_declared, run in itertools.groupby(records, lambda record: record.declared is not None):
        part = list(run)
        if is_declared:
            for record in part:
                clock.declare(record.declared)
            continue
        seen = clock.observe(*(np.array(column, np.int64) for column in list(zip(*part, strict=True))[:3]))
        columns = (seen.windows, seen.watermarks, seen.believed, seen.late)
        found += zip(*(column.tolist() for column in columns), strict=True)
    return found


def plain(records: list[Log]) -> list[tuple[int, int, bool, bool]]:
    """The same by the rule in words, one record at a time."""
    newest, epoch, replay, found = NOT_STARTED, 0, False, []
    for record in records:
        if record.declared is not None:
            if record.declared.epoch > epoch:
                epoch, replay = record.declared.epoch, record.declared.mode is TimeMode.REPLAY
            continue
        is_event = record.tick_epoch == EVENT
        watermark = NOT_STARTED if newest < 0 else newest - LATENESS
        closed = -1 if newest < 0 else watermark // SETTINGS.window_ms - 1
        own = record.at_ms // SETTINGS.window_ms
        believed = not is_event or record.at_ms <= (newest if replay else record.append_ms) + LATENESS
        found.append((max(own, closed + 1), watermark, believed, believed and own <= closed))
        if replay:
            if record.tick_epoch == epoch:
                newest = max(newest, record.at_ms)
        elif believed:
            newest = max(newest, min(record.at_ms, record.append_ms))
    return found


times = st.integers(10_000, 12_000)
events = st.tuples(times, times).map(lambda drawn: Log(*drawn))
ticks = st.tuples(times, times, st.integers(0, 3)).map(lambda drawn: Log(*drawn))
declarations = st.builds(declaration, st.integers(1, 4), st.sampled_from(TimeMode))
logs = st.lists(st.one_of(events, events, ticks, declarations), max_size=60)


@given(logs, st.lists(st.integers(0, 60), max_size=5))
def test_any_split_into_batches_and_any_restart_gives_what_the_rule_says(log, cuts):
    split, found = Watermark(SETTINGS), []
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    for begin, end in itertools.pairwise(edges):
        found += observe(split, log[begin:end])
        split = Watermark(SETTINGS, split.state)
    assert found == plain(log)


@given(logs)
def test_nothing_counts_in_a_closed_window(log):
    clock = Watermark(SETTINGS)
    for record in log:
        closed = clock.closed_through
        assert all(window > closed for window, *_ in observe(clock, [record]))
        assert clock.closed_through >= closed


@given(st.lists(st.one_of(events, ticks), max_size=60))
def test_while_it_is_live_nobody_makes_an_honest_event_late_or_moves_time_past_the_brokers(log):
    appended = sorted(record.append_ms for record in log)
    log = [record._replace(append_ms=at) for record, at in zip(log, appended, strict=True)]
    clock = Watermark(SETTINGS)
    for record in log:
        [(_, watermark, _, late)] = observe(clock, [record])
        assert clock.newest_ms <= record.append_ms
        if record.tick_epoch == EVENT and abs(record.at_ms - record.append_ms) <= LATENESS:
            assert record.at_ms >= watermark
            assert not late or record.at_ms // SETTINGS.window_ms == watermark // SETTINGS.window_ms - 1


@given(logs)
def test_a_clock_goes_back_to_what_it_was_before_any_record(log):
    clock = Watermark(SETTINGS)
    before = []
    for record in log:
        before.append((ClockBefore(clock.watermark_ms, clock.declared), clock.state))
        observe(clock, [record])
    for at, state in before:
        clock.go_back(at)
        assert clock.state == state


def test_one_wrong_clock_moves_nothing_and_is_not_believed():
    clock = Watermark(SETTINGS)
    hour = 3_600_000
    verdicts = observe(clock, [Log(hour, hour), Log(3 * hour, hour + 1), Log(hour + LATENESS + 2, hour + 2)])
    assert [believed for *_, believed, _ in verdicts] == [True, False, True]
    assert clock.newest_ms == hour + 2, "what is a little fast moves time to the broker's clock only"


def test_a_quiet_partition_is_believed_when_it_wakes():
    clock = Watermark(SETTINGS)
    day = 86_400_000
    [*_, (_, _, believed, _)] = observe(clock, [Log(day, day), Log(9 * day, 9 * day)])
    assert believed
    assert clock.newest_ms == 9 * day


def test_in_a_replay_only_its_own_ticks_move_time():
    clock = Watermark(SETTINGS)
    observe(clock, [declaration(2), Log(10_000, 90_000, 2)])
    observe(clock, [Log(10_100, 90_001), Log(80_000, 90_002, 0), Log(80_000, 90_003, 1), Log(80_000, 90_004)])
    assert clock.newest_ms == 10_000
    observe(clock, [declaration(1), Log(80_000, 90_005, 1), Log(10_200, 90_006, 2)])
    assert clock.newest_ms == 10_200, "the declaration of an older epoch is fenced"
    observe(clock, [declaration(3, TimeMode.LIVE), Log(80_000, 90_007)])
    assert clock.newest_ms == 80_000


@pytest.mark.parametrize("state", [ClockState(), ClockState(newest_ms=5)])
def test_the_first_declaration_has_an_epoch_of_its_own(state):
    clock = Watermark(SETTINGS, state)
    assert clock.declare(TimeDeclared(mode=TimeMode.REPLAY, epoch=1, writer="a"))
    assert not clock.declare(TimeDeclared(mode=TimeMode.LIVE, epoch=1, writer="b"))
    assert clock.declared == (1, True)

"""Advances a partition's clock by a decoded batch, and takes out the events whose time is not believed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from contracts.arrays import I64, Bools
from contracts.errors import BadRecord
from contracts.records import Tick
from contracts.topics import Topic
from eventtime.watermark import EVENT, NOT_STARTED, ClockBefore, Declared, Observed, Watermark
from streams.event_batch import EventBatch, EventT, Placed
from transport.dead_letters import dead_letter
from transport.metrics import EVENT_LAG


@dataclass(frozen=True, slots=True)
class Timed:
    """The n events of a batch that are believed, in log order.

    windows: int64[n], the window that each counts in. late: bool[n], whether its own window was closed already.
    watermarks: int64[n], the watermark before each. declared: n entries, the declaration in force at each. lags_ms:
    int64[n], how long after its own time the broker appended each.
    """

    windows: I64
    late: Bools
    watermarks: I64
    declared: list[Declared]
    lags_ms: I64

    def clocks_before(self) -> list[ClockBefore]:
        """The clock before each event."""
        return list(map(ClockBefore, self.watermarks.tolist(), self.declared))


def observe_times(batch: EventBatch[EventT], clock: Watermark, at_ms: I64) -> Timed:
    """Advance `clock` by a batch, and move the events that it does not believe to the batch's dead letters.

    at_ms: int64[n], the events' times. A declaration that is fenced becomes a dead letter too.
    """
    append_ms = np.array([record.timestamp for record in batch.records], np.int64)
    parts: list[Observed] = []
    declared: list[Declared] = []
    begin, after = 0, -1
    for declaration in [*batch.declarations, None]:
        end, offset = (
            (len(at_ms), math.inf) if declaration is None else (declaration.place, declaration.record.offset)
        )
        ticks = [tick for tick in batch.ticks if after < tick.record.offset < offset]
        parts.append(_observe(clock, at_ms[begin:end], append_ms[begin:end], ticks, begin))
        declared += [clock.declared] * (end - begin)
        if declaration is not None:
            after = declaration.record.offset
            if not clock.declare(declaration.value):
                batch.letters.append(dead_letter(batch.source, declaration.record, _fenced(declaration.value.epoch)))
        begin = end
    seen = _joined(parts)
    kept = seen.believed.tolist()
    if not all(kept):
        _refuse(batch, at_ms, seen, declared, clock.lateness_ms)
        declared = [each for each, keep in zip(declared, kept, strict=True) if keep]
    believed = seen.believed
    lags_ms = (append_ms - at_ms)[believed]
    return Timed(seen.windows[believed], seen.late[believed], seen.watermarks[believed], declared, lags_ms)


def _observe(clock: Watermark, at_ms: I64, append_ms: I64, ticks: Sequence[Placed[Tick]], begin: int) -> Observed:
    """What became of the events between two declarations. begin: the number of events before them."""
    places = np.array([tick.place - begin for tick in ticks], np.int64)
    epochs = np.insert(
        np.full(len(at_ms), EVENT, np.int64), places, np.array([tick.value.epoch for tick in ticks], np.int64)
    )
    seen = clock.observe(
        np.insert(at_ms, places, np.array([tick.value.tick_ms for tick in ticks], np.int64)),
        np.insert(append_ms, places, np.array([tick.record.timestamp for tick in ticks], np.int64)),
        epochs,
    )
    events = epochs == EVENT
    return Observed(seen.windows[events], seen.watermarks[events], seen.believed[events], seen.late[events])


def _joined(parts: Sequence[Observed]) -> Observed:
    if len(parts) == 1:
        return parts[0]
    return Observed(
        np.concatenate([part.windows for part in parts]),
        np.concatenate([part.watermarks for part in parts]),
        np.concatenate([part.believed for part in parts]),
        np.concatenate([part.late for part in parts]),
    )


def _refuse(
    batch: EventBatch[EventT], at_ms: I64, seen: Observed, declared: Sequence[Declared], lateness_ms: int
) -> None:
    """Move the events that are not believed to the dead letters, each with the clock that it was judged by."""
    for i in np.flatnonzero(~seen.believed).tolist():
        record, time_ms = batch.records[i], int(at_ms[i])
        if declared[i].replay:
            reached_ms = int(seen.watermarks[i]) + lateness_ms if seen.watermarks[i] >= 0 else NOT_STARTED
            detail = _ahead_of_replay(time_ms, reached_ms, declared[i].epoch, lateness_ms)
        else:
            detail = _ahead_of_broker(time_ms, record.timestamp, lateness_ms)
        batch.letters.append(dead_letter(batch.source, record, BadRecord("time_ahead", detail)))
    batch.keep(seen.believed.tolist())


def _ahead_of_broker(time_ms: int, append_ms: int, lateness_ms: int) -> str:
    ahead_s = (time_ms - append_ms) / 1000
    return (
        f"event time {_shown(time_ms)} is {ahead_s:,.1f} s ahead of {_shown(append_ms)}, when the broker appended "
        f"it; time.lateness_ms allows {lateness_ms / 1000:,g} s. Correct the producer's clock, or declare a replay "
        "of events with other times (docs/event_time.md). `driftline dead-letters replay` sends it again, once its "
        "time has come"
    )


def _ahead_of_replay(time_ms: int, reached_ms: int, epoch: int, lateness_ms: int) -> str:
    reached = "has not begun" if reached_ms == NOT_STARTED else f"is at {_shown(reached_ms)}"
    return (
        f"event time {_shown(time_ms)} is ahead of the partition's, which {reached} and which only the ticks of the "
        f"declared replay (epoch {epoch}) move; time.lateness_ms allows {lateness_ms / 1000:,g} s. If the replay is "
        "over, `driftline time live`; then `driftline dead-letters replay` sends this one again"
    )


def _shown(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") + f" ({time_ms})"


def _fenced(epoch: int) -> BadRecord:
    return BadRecord("fenced", f"a declaration of epoch {epoch}, after one with this epoch or a higher one")


def show_lag(topic: Topic, partition: int, seen: Timed) -> None:
    """Set the metric of how old events are when the broker gets them; an empty batch leaves it as it is."""
    if len(seen.lags_ms):
        EVENT_LAG.labels(topic.name, str(partition)).set(float(np.median(seen.lags_ms)) / 1000)

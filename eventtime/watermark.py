"""Event time of one input partition: its watermark, its closed windows, and events whose clock is not believed.

A function of that partition's log alone, so every replay closes the same windows at the same offsets.

* `newest_ms` is how far event time has come. The watermark is `newest_ms - lateness_ms`.
* Window w is closed once the watermark passes its end. A late event counts in the oldest window that is still open.
* A declaration in the log (`eventtime/declarations.py`) says who moves time after it. Only one with a higher epoch
  replaces it. Without any, the partition is live.
* *Live*: an event or a tick moves time to its own time, but never past the time at which the broker appended it. So
  no client can move time past the broker's clock, and an event within `lateness_ms` of its append time is never late.
* *Replay*: only the ticks of the declared epoch move time.
* An event is not believed if it is more than `lateness_ms` ahead: of its append time if live, of `newest_ms` in a
  replay.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from contracts.arrays import I64, Bools
from contracts.records import TimeDeclared, TimeMode
from contracts.settings import TimeSettings

NOT_STARTED = -1
EVENT = -1  # in place of a tick's epoch


class Declared(NamedTuple):
    """The declaration in force: its epoch, 0 for none, and whether it declared a replay."""

    epoch: int = 0
    replay: bool = False


class ClockBefore(NamedTuple):
    """The clock before a record: its watermark, and the declaration in force."""

    watermark_ms: int = NOT_STARTED
    declared: Declared = Declared()


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of a `Watermark`, small enough for a commit's metadata."""

    newest_ms: int = NOT_STARTED
    declared: Declared = Declared()


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of n records, in their order.

    windows: int64[n], the window that each counts in. watermarks: int64[n], the watermark before each.
    believed: bool[n], False for an event too far ahead. late: bool[n], True if the event's window was closed already.
    """

    windows: I64
    watermarks: I64
    believed: Bools
    late: Bools


class Watermark:
    """The event-time clock of one input partition."""

    def __init__(self, settings: TimeSettings, state: ClockState | None = None) -> None:
        self._settings = settings
        self.restore(state or ClockState())

    def restore(self, state: ClockState) -> None:
        """Go on from `state`."""
        self.newest_ms, self.declared = state.newest_ms, state.declared

    def go_back(self, before: ClockBefore) -> None:
        """Become the clock that was before a record."""
        started = before.watermark_ms != NOT_STARTED
        self.newest_ms = before.watermark_ms + self._settings.lateness_ms if started else NOT_STARTED
        self.declared = before.declared

    @property
    def state(self) -> ClockState:
        """The state now."""
        return ClockState(newest_ms=self.newest_ms, declared=self.declared)

    @property
    def watermark_ms(self) -> int:
        """How far event time has come, minus the lateness; `NOT_STARTED` before the first event."""
        return NOT_STARTED if self.newest_ms < 0 else self.newest_ms - self._settings.lateness_ms

    @property
    def lateness_ms(self) -> int:
        """How far ahead of the clock an event may be, and how far behind it."""
        return self._settings.lateness_ms

    @property
    def closed_through(self) -> int:
        """The newest closed window; -1 before the first event."""
        return max(-1, self.watermark_ms // self._settings.window_ms - 1)

    def declare(self, declared: TimeDeclared) -> bool:
        """Let a declaration decide who moves time. False if it is fenced: its epoch is not the highest so far."""
        if declared.epoch <= self.declared.epoch:
            return False
        self.declared = Declared(declared.epoch, declared.mode is TimeMode.REPLAY)
        return True

    def observe(self, at_ms: I64, append_ms: I64, tick_epochs: I64) -> Observed:
        """Observe n events and ticks between two declarations.

        at_ms: int64[n], their own times. append_ms: int64[n], the records' timestamps. tick_epochs: int64[n], the
        epoch of each tick, `EVENT` for an event.
        """
        is_event = tick_epochs == EVENT
        lateness_ms = self._settings.lateness_ms
        if self.declared.replay:
            moves = np.where(tick_epochs == self.declared.epoch, at_ms, NOT_STARTED)
            before = self._newest_before_each(moves)
            believed = ~is_event | (at_ms <= before + lateness_ms)
        else:
            believed = ~is_event | (at_ms <= append_ms + lateness_ms)
            moves = np.where(believed, np.minimum(at_ms, append_ms), NOT_STARTED)
            before = self._newest_before_each(moves)
        if len(moves):
            self.newest_ms = max(self.newest_ms, int(moves.max()))
        return self._assign_windows(at_ms, before, believed)

    def _newest_before_each(self, moves: I64) -> I64:
        before = np.empty(len(moves), np.int64)
        if len(moves):
            before[0] = self.newest_ms
            np.maximum.accumulate(moves[:-1], out=before[1:])
            np.maximum(before, self.newest_ms, out=before)
        return before

    def _assign_windows(self, at_ms: I64, before: I64, believed: Bools) -> Observed:
        window_ms = self._settings.window_ms
        own = at_ms // window_ms
        watermarks = np.where(before < 0, NOT_STARTED, before - self._settings.lateness_ms)
        closed = np.where(before < 0, -1, watermarks // window_ms - 1)
        late = own <= closed
        return Observed(np.where(late, closed + 1, own), watermarks, believed, late & believed)

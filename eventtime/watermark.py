"""Event time of one input partition: its watermark, its closed windows, and events whose clock is not believed.

A function of that partition's log alone, so every replay closes the same windows at the same offsets.

* `newest_ms` is the newest believed event time. The watermark is `newest_ms - lateness_ms`.
* Window w is closed once the watermark passes its end. A late event counts in the oldest window that is still open.
* An event more than `jump_ms` ahead of `newest_ms` is not believed. Once `jump_authors` distinct authors are ahead,
  all within `jump_ms` of the latest arrival, time has really moved (an outage, a gap in the data): it jumps there.
* The first event of a partition is compared with the time at which the broker appended it, which is in the log too.
* A tick is always believed: it comes from a producer that owns the clock, not from an author.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.arrays import I64, U64, Bools
from contracts.settings import TimeSettings

NOT_STARTED = -1


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of one batch of n events, in its order.

    windows: int64[n], the window that each event counts in. watermarks: int64[n], the watermark before each event.
    believed: bool[n], False for an event too far ahead. late: bool[n], True if the event's window was closed already.
    """

    windows: I64
    watermarks: I64
    believed: Bools
    late: Bools


class Watermark:
    """The event-time clock of one input partition."""

    def __init__(self, settings: TimeSettings) -> None:
        self._settings = settings
        self.newest_ms = NOT_STARTED
        # (author, time) of the latest events that were not believed.
        self._ahead: list[tuple[int, int]] = []

    @property
    def watermark_ms(self) -> int:
        """Newest believed event time minus the lateness; `NOT_STARTED` before the first event."""
        return NOT_STARTED if self.newest_ms < 0 else self.newest_ms - self._settings.lateness_ms

    @property
    def closed_through(self) -> int:
        """The newest closed window; -1 before the first event."""
        return max(-1, self.watermark_ms // self._settings.window_ms - 1)

    def observe(
        self,
        at_ms: I64,
        authors: U64,
        ticks: Bools,
        append_ms: I64,
    ) -> Observed:
        """Observe a batch.

        at_ms: int64[n], event times. authors: uint64[n]. ticks: bool[n], whether each record is a tick.
        append_ms: int64[n], the records' timestamps.
        """
        before = self._newest_before_each(at_ms)
        ahead = ~ticks & (at_ms > np.where(before < 0, append_ms, before) + self._settings.jump_ms)
        if ahead.any():
            before, believed = self._observe_one_by_one(at_ms, authors, ticks, append_ms)
        else:
            believed = np.ones(len(at_ms), np.bool_)
            if len(at_ms):
                self.newest_ms = max(self.newest_ms, int(at_ms.max()))
        return self._assign_windows(at_ms, before, believed)

    def _newest_before_each(self, at_ms: I64) -> I64:
        before = np.empty(len(at_ms), np.int64)
        if len(at_ms):
            before[0] = self.newest_ms
            np.maximum.accumulate(at_ms[:-1], out=before[1:])
            np.maximum(before, self.newest_ms, out=before)
        return before

    def _observe_one_by_one(
        self,
        at_ms: I64,
        authors: U64,
        ticks: Bools,
        append_ms: I64,
    ) -> tuple[I64, Bools]:
        """The rule, one event at a time. Only batches with an event that is too far ahead come here."""
        before = np.empty(len(at_ms), np.int64)
        believed = np.ones(len(at_ms), np.bool_)
        rows = zip(at_ms.tolist(), authors.tolist(), ticks.tolist(), append_ms.tolist(), strict=True)
        for i, (at, author, tick, appended) in enumerate(rows):
            before[i] = self.newest_ms
            reference = appended if self.newest_ms < 0 else self.newest_ms
            if tick or at <= reference + self._settings.jump_ms:
                self.newest_ms = max(self.newest_ms, at)
            else:
                believed[i] = self._confirm(author, at)
                before[i] = self.newest_ms
        return before, believed

    def _confirm(self, author: int, at: int) -> bool:
        """Remember an event that is too far ahead. True if enough authors now agree, so that time jumps to it."""
        self._ahead = [
            (who, when) for who, when in self._ahead if who != author and abs(when - at) <= self._settings.jump_ms
        ]
        self._ahead.append((author, at))
        if len(self._ahead) < self._settings.jump_authors:
            return False
        self._ahead = []
        self.newest_ms = at
        return True

    def _assign_windows(self, at_ms: I64, before: I64, believed: Bools) -> Observed:
        window_ms = self._settings.window_ms
        own = at_ms // window_ms
        watermarks = np.where(before < 0, NOT_STARTED, before - self._settings.lateness_ms)
        closed = np.where(before < 0, -1, watermarks // window_ms - 1)
        late = own <= closed
        return Observed(np.where(late, closed + 1, own), watermarks, believed, late & believed)

    def to_dict(self) -> dict[str, Any]:
        """The state, small enough for a commit's metadata."""
        return {"newest_ms": self.newest_ms, "ahead": self._ahead}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state of `to_dict`."""
        self.newest_ms = int(state["newest_ms"])
        self._ahead = [(int(author), int(at)) for author, at in state["ahead"]]

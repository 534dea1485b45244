"""One partition of an input topic, as its hop reads it: decoded, timed by its own clock, each event once.

Which events count as already processed depends on the log alone: those whose time was believed within the last
`duplicate_horizon` offsets. An event whose time was not believed became a dead letter, and is judged again if it is
repeated. So a restart must know the clock at the offset where it begins to re-read. A commit's metadata therefore
holds the clock at some earlier offsets (marks); the oldest mark is at least the horizon back.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic

import msgspec
import numpy as np

from contracts.arrays import I64, Bools
from contracts.settings import Settings
from contracts.topics import Topic
from eventtime.watermark import ClockState, Watermark
from streams.event_batch import EventBatch, EventT, decode_batch
from streams.observe_times import Timed, observe_times, show_lag
from transport.duplicates import RecentIdentities
from transport.metrics import DUPLICATES, LATE_EVENTS
from transport.ports.kafka_records import LogRecord
from transport.processor import Position


class SourceMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Committed with the offset: the clock there, and (offset, clock before it) of each mark, ascending."""

    clock: ClockState
    marks: list[tuple[int, ClockState]]


class EventSource(Generic[EventT]):
    """The clock of one partition, and which events were already processed.

    times_of: events -> int64[n], their event times. identities_of: a batch -> the identity of each of its events, by
    which a repeat is recognized.
    """

    def __init__(
        self,
        settings: Settings,
        topic: Topic,
        decode: Callable[[bytes], EventT],
        times_of: Callable[[Sequence[EventT]], I64],
        identities_of: Callable[[EventBatch[EventT]], Sequence[Hashable]],
    ) -> None:
        self.clock = Watermark(settings.time)
        self._topic = topic
        self._decode: Callable[[bytes], EventT] = decode
        self._times_of: Callable[[Sequence[EventT]], I64] = times_of
        self._identities_of: Callable[[EventBatch[EventT]], Sequence[Hashable]] = identities_of
        self._had = RecentIdentities(settings.features.duplicate_horizon)
        self._marks: list[tuple[int, ClockState]] = []
        self._replayed = Watermark(settings.time)  # the clock as it was where a restart re-reads

    def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Restore the clock, and ask to re-read the records since the oldest mark, with the clock of that mark."""
        position = committed[self._topic.name]
        metadata = msgspec.json.decode(position.metadata, type=SourceMetadata)
        self.clock.restore(metadata.clock)
        self._marks = [mark for mark in metadata.marks if position.readable_from <= mark[0] <= position.offset]
        if not self._marks:
            return {}
        offset, clock = self._marks[0]
        self._replayed.restore(clock)
        return {self._topic.name: offset}

    def replay(self, records: Sequence[LogRecord]) -> EventBatch[EventT]:
        """Learn again which events were already processed. Returns those that were believed and new then."""
        batch, _, _ = self._observe(records, self._replayed)
        return batch

    def take(self, records: Sequence[LogRecord]) -> tuple[EventBatch[EventT], I64, int]:
        """Returns the events of a batch that are believed and new, int64[n] the window that each counts in, and the
        newest window that was closed before the batch.
        """
        self._begin(records[0].offset)
        closed_before = self.clock.closed_through
        batch, seen, new = self._observe(records, self.clock)
        show_lag(self._topic, records[0].partition, seen)
        DUPLICATES.labels(topic=self._topic.name).inc(int((~new).sum()))
        LATE_EVENTS.labels(topic=self._topic.name).inc(int((seen.late & new).sum()))
        return batch, seen.windows[new], closed_before

    def metadata(self) -> str:
        """The clock and the marks: at most three, of some 100 bytes each."""
        return msgspec.json.encode(self.position()).decode()

    def position(self) -> SourceMetadata:
        """The content of `metadata`, for a hop that commits more than that."""
        return SourceMetadata(clock=self.clock.state, marks=self._marks)

    def _begin(self, offset: int) -> None:
        horizon = self._had.horizon
        if not self._marks or offset - self._marks[-1][0] >= horizon:
            self._marks.append((offset, self.clock.state))
        while len(self._marks) > 1 and offset - self._marks[1][0] >= horizon:
            del self._marks[0]

    def _observe(self, records: Sequence[LogRecord], clock: Watermark) -> tuple[EventBatch[EventT], Timed, Bools]:
        """(events believed and new, n believed events as they were timed, bool[n] which of them are new)."""
        batch = decode_batch(self._topic, records, self._decode)
        seen = observe_times(batch, clock, self._times_of(batch.events))
        repeats = self._had.repeats(self._identities_of(batch), [record.offset for record in batch.records])
        new = ~np.array(repeats, np.bool_)
        if any(repeats):
            batch.keep(new.tolist())
        return batch, seen, new

"""A batch of an input topic, decoded once: events, ticks, and dead letters for bad records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from contracts.arrays import I64, U64
from contracts.codec import Codec
from contracts.columnar import CandidatesServed
from contracts.errors import BadRecord
from contracts.records import Engagement, Tweet
from contracts.topics import Topic
from eventtime.ticks import TICK_KEY, read_tick
from eventtime.watermark import Observed, Watermark
from sources.foreign import tweet_from_foreign_json
from transport.dead_letters import as_bad_record, dead_letter
from transport.ports.kafka_records import LogRecord
from transport.processor import Output

EventT = TypeVar("EventT", Tweet, Engagement, CandidatesServed)

_deserialize_own_tweet = Codec(Tweet).deserialize


@dataclass(slots=True)
class EventBatch(Generic[EventT]):
    """Events of one partition in log order, each with the record it came in.

    ticks: (number of events before it, tick_ms) of each tick. letters: outputs for the dead-letter topic.
    """

    source: Topic
    events: list[EventT] = field(default_factory=list)
    records: list[LogRecord] = field(default_factory=list)
    ticks: list[tuple[int, int]] = field(default_factory=list)
    letters: list[Output] = field(default_factory=list)

    def keep(self, kept: Sequence[bool]) -> None:
        """Drop the events that are not kept."""
        before = np.concatenate([[0], np.cumsum(kept)])
        self.ticks = [(int(before[index]), at) for index, at in self.ticks]
        self.events = [event for event, keep in zip(self.events, kept, strict=True) if keep]
        self.records = [record for record, keep in zip(self.records, kept, strict=True) if keep]


def decode_batch(
    source: Topic,
    records: Sequence[LogRecord],
    decode: Callable[[bytes], EventT],
) -> EventBatch[EventT]:
    """Decode a batch. Never raises, whatever the records hold."""
    batch = EventBatch[EventT](source)
    for record in records:
        try:
            if record.key == TICK_KEY:
                batch.ticks.append((len(batch.events), read_tick(record.value)))
                continue
            event = decode(record.value or b"")
        except Exception as error:  # noqa: BLE001 - no record may stop a worker
            batch.letters.append(dead_letter(source, record, as_bad_record(error)))
            continue
        batch.events.append(event)
        batch.records.append(record)
    return batch


def decode_tweet(value: bytes) -> Tweet:
    """The tweet in our own record, or in an X API v2 or v1.1 object that a producer put on the topic unchanged."""
    try:
        return _deserialize_own_tweet(value)
    except BadRecord as error:
        if error.reason != "malformed":
            raise
        return tweet_from_foreign_json(value)


def observe_times(
    batch: EventBatch[EventT],
    watermark: Watermark,
    at_ms: I64,
    people: U64,
) -> Observed:
    """Advance the partition's clock by a batch, and drop the events whose time it does not believe.

    at_ms: int64[n], the events' times. people: uint64[n], the author or viewer whose clock gave each time.
    Returns what was observed for the events that stay, in their order.
    """
    places = np.array([index for index, _ in batch.ticks], np.int64)
    tick_ms = np.array([at for _, at in batch.ticks], np.int64)
    is_tick = np.insert(np.zeros(len(at_ms), np.bool_), places, True)
    append_ms = np.array([record.timestamp for record in batch.records], np.int64)
    seen = watermark.observe(
        np.insert(at_ms, places, tick_ms),
        np.insert(people, places, np.uint64(0)),
        is_tick,
        np.insert(append_ms, places, 0),
    )
    believed = seen.believed[~is_tick]
    if not believed.all():
        for i in np.flatnonzero(~believed).tolist():
            error = BadRecord("time_ahead", f"event time {at_ms[i]} is far ahead of its partition and unconfirmed")
            batch.letters.append(dead_letter(batch.source, batch.records[i], error))
        batch.keep(believed.tolist())
    kept = np.flatnonzero(~is_tick)[believed]
    return Observed(seen.windows[kept], seen.watermarks[kept], seen.believed[kept], seen.late[kept])

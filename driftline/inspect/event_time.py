"""How far event time is: the declaration in force, and how old the newest events were when the broker got them."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from contracts.codec import Codec
from contracts.errors import BadRecord
from contracts.records import Engagement, TimeDeclared, TimelineRequest
from contracts.settings import Settings
from contracts.text_ids import EventCodec
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, EVENT_TIME, TIMELINE_REQUESTS, TWEETS, Topic
from driftline.inspect.logs import LogReader
from eventtime.declarations import DECLARATION_KEY, read_declaration
from eventtime.ticks import TICK_KEY, read_tick
from sources.decode_tweet import decode_tweet
from transport.ports.kafka_records import LogRecord

_LOOKED_AT = 200  # newest records of a topic, over all partitions

_engagement, _request = EventCodec(Engagement).deserialize, EventCodec(TimelineRequest).deserialize


def _served_at_ms(value: bytes) -> int:
    from contracts.columnar import CandidatesServed  # by numpy, which `driftline status` need not wait for

    return Codec(CandidatesServed).deserialize(value).at_ms


_TIME_OF: Mapping[Topic, Callable[[bytes], int]] = {
    TWEETS: lambda value: decode_tweet(value).created_ms,
    ENGAGEMENTS: lambda value: _engagement(value).at_ms,
    CANDIDATES_SERVED: _served_at_ms,
    TIMELINE_REQUESTS: lambda value: _request(value).at_ms,
}
_SHOWN = (TWEETS, ENGAGEMENTS, CANDIDATES_SERVED)


class NewestEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The newest event of a partition: its own time, and when the broker appended it."""

    topic: str
    partition: int
    at_ms: int
    append_ms: int

    @property
    def lag_ms(self) -> int:
        """How long after its own time it was appended; negative for a fast clock."""
        return self.append_ms - self.at_ms


def declaration(logs: LogReader) -> TimeDeclared | None:
    """The declaration in force; None if event time is live because nothing was ever declared."""
    newest = None
    for record in logs.log(EVENT_TIME):
        newest = read_declaration(record.value)
    return newest


def newest_events(logs: LogReader) -> list[NewestEvent]:
    """The newest event of each partition, among the newest records of its topic; partitions without one are absent.

    Raises `ServerUnavailable`.
    """
    return [
        NewestEvent(topic=topic.name, partition=record.partition, at_ms=at_ms, append_ms=record.timestamp)
        for topic in _SHOWN
        for record, at_ms in _newest_of_each(logs.newest(topic, _LOOKED_AT), _TIME_OF[topic])
    ]


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How far events and ticks have moved event time on one partition."""

    topic: str
    partition: int
    at_ms: int


def reached(logs: LogReader) -> list[Reached]:
    """By the newest records of each partition; partitions without any are absent. Raises `ServerUnavailable`."""
    newest: dict[tuple[str, int], int] = {}
    for topic in (TWEETS, ENGAGEMENTS, TIMELINE_REQUESTS):
        for record in logs.log(topic, newest=_LOOKED_AT):
            time_ms, at = _time_of(topic, record), (topic.name, record.partition)
            if time_ms is not None:
                newest[at] = max(newest.get(at, 0), time_ms)
    return [Reached(topic=topic, partition=number, at_ms=at_ms) for (topic, number), at_ms in newest.items()]


def stands_at_ms(settings: Settings) -> int | None:
    """How far event time is on the partition where it is furthest; None if there is nothing yet."""
    with LogReader.connected(settings) as logs:
        return max((of.at_ms for of in reached(logs)), default=None)


def _time_of(topic: Topic, record: LogRecord) -> int | None:
    if record.key == DECLARATION_KEY:
        return None
    try:
        if record.key == TICK_KEY:
            return read_tick(record.value).tick_ms
        # An event that claims to be ahead of the broker's clock does not move it further.
        return min(_TIME_OF[topic](record.value or b""), record.timestamp)
    except BadRecord:
        return None


def _newest_of_each(records: Sequence[LogRecord], time_of: Callable[[bytes], int]) -> list[tuple[LogRecord, int]]:
    newest: dict[int, tuple[LogRecord, int]] = {}
    for record in records:
        try:
            newest[record.partition] = record, time_of(record.value or b"")
        except BadRecord:
            continue  # it is a dead letter: the hop that reads it says so
    return [newest[partition] for partition in sorted(newest)]

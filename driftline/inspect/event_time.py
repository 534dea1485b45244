"""How far event time is: the declaration in force, and how old the newest events were when the broker got them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from contracts.codec import Codec
from contracts.columnar import CandidatesServed
from contracts.errors import BadRecord
from contracts.records import Engagement, TimeDeclared
from contracts.settings import Settings
from contracts.text_ids import EventCodec
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, TWEETS, Topic
from driftline.inspect.logs import newest_records
from streams.event_batch import decode_tweet
from transport.declare_time import newest_declaration
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import LogRecord

_LOOKED_AT = 200  # newest records of a topic, over all partitions

_engagement, _served = EventCodec(Engagement).deserialize, Codec(CandidatesServed).deserialize
_TIME_OF: Mapping[Topic, Callable[[bytes], int]] = {
    TWEETS: lambda value: decode_tweet(value).created_ms,
    ENGAGEMENTS: lambda value: _engagement(value).at_ms,
    CANDIDATES_SERVED: lambda value: _served(value).at_ms,
}


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


def declaration(settings: Settings) -> TimeDeclared | None:
    """The declaration in force; None if event time is live because nothing was ever declared."""
    return asyncio.run(newest_declaration(KafkaCluster(settings)))


def newest_events(settings: Settings) -> list[NewestEvent]:
    """The newest event of each partition, among the newest records of its topic; partitions without one are absent.

    Raises `ServerUnavailable`.
    """
    return [
        NewestEvent(topic=topic.name, partition=record.partition, at_ms=at_ms, append_ms=record.timestamp)
        for topic, time_of in _TIME_OF.items()
        for record, at_ms in _newest_of_each(newest_records(settings, topic, _LOOKED_AT), time_of)
    ]


def _newest_of_each(records: Sequence[LogRecord], time_of: Callable[[bytes], int]) -> list[tuple[LogRecord, int]]:
    newest: dict[int, tuple[LogRecord, int]] = {}
    for record in records:
        try:
            newest[record.partition] = record, time_of(record.value or b"")
        except BadRecord:
            continue  # it is a dead letter: the hop that reads it says so
    return [newest[partition] for partition in sorted(newest)]

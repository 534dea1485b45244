"""Streams a topic's log: committed records only, up to the end that the log had when the reading began.

Memory holds only what the client has fetched, however long the log. It joins no group and commits nothing.
"""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from typing import Protocol, TypeVar

from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from contracts.topics import Topic, prefixed
from eventtime.declarations import CLOCK_KEYS
from transport.installation import check_identity
from transport.kafka.admin import topic_offsets
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka import BlockingConsumer
from transport.ports.kafka_records import LogRecord, OffsetOutOfRange, TopicPartition

ValueT_co = TypeVar("ValueT_co", covariant=True)

_POLL_S = 0.5
_POLL_RECORDS = 2_000
_SILENT_POLLS = 60  # empty polls before the end of the log: half a minute


class Reads(Protocol[ValueT_co]):
    """What decodes one topic's values (`contracts.codec.Codec`)."""

    def deserialize(self, value: bytes) -> ValueT_co: ...


def read_log(settings: Settings, topic: Topic, *, newest: int | None = None) -> Generator[LogRecord, None, None]:
    """The records of `topic`, in offset order within each partition. newest: only that many last offsets.

    Transaction markers take offsets too, so `newest` offsets hold at most that many records. Raises
    `ServerUnavailable` if the broker does not answer or the topic does not exist, and `SettingsError` for a broker
    that holds another installation.
    """
    kafka = KafkaCluster(settings)
    with contextlib.closing(kafka.blocking_consumer()) as consumer:
        check_identity(settings, consumer)
        spans = _spans(settings, topic, newest)
        consumer.assign({at: begin for at, (begin, _) in spans.items()})
        yield from _until_the_end(kafka.address, consumer, {at: end for at, (_, end) in spans.items()})


def newest_records(settings: Settings, topic: Topic, count: int) -> list[LogRecord]:
    """The `count` records of `topic` that were appended last, the newest last, without ticks and declarations."""
    if count < 1:
        return []
    width = 2 * count
    while True:
        records = [record for record in read_log(settings, topic, newest=width) if record.key not in CLOCK_KEYS]
        if len(records) >= count or width >= max(_lengths(settings, topic), default=0):
            break
        width *= 4  # too many of these offsets were markers, aborted records or ticks
    records.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
    return records[-count:]


def read_records(
    settings: Settings, topic: Topic, codec: Reads[ValueT_co], *, newest: int | None = None, ticks: bool = False
) -> Iterator[tuple[LogRecord, ValueT_co]]:
    """`read_log` with decoded values, without tombstones, ticks and declarations. Raises as the codec does.

    ticks: whether to decode records with a tick's key too; on some topics they are of the same type as the others.
    """
    for record in read_log(settings, topic, newest=newest):
        if (ticks or record.key not in CLOCK_KEYS) and record.value is not None:
            yield record, codec.deserialize(record.value)


def _spans(settings: Settings, topic: Topic, newest: int | None) -> dict[TopicPartition, tuple[int, int]]:
    """Partition -> (first offset to read, offset to stop before), of the partitions that are not empty."""
    name = prefixed(topic, settings.prefix).name
    held = topic_offsets(settings, [topic])
    if topic.name not in held:
        raise ServerUnavailable(
            f"Kafka at {settings.kafka} has no topic {name} (settings DRIFTLINE_KAFKA, DRIFTLINE_PREFIX); "
            "`driftline topics apply` creates it"
        )
    spans = {}
    for number, offsets in held[topic.name].items():
        begin = offsets.begin if newest is None else max(offsets.begin, offsets.end - newest)
        if begin < offsets.end:
            spans[TopicPartition(topic.name, number)] = (begin, offsets.end)
    return spans


def _lengths(settings: Settings, topic: Topic) -> list[int]:
    return [offsets.count for offsets in topic_offsets(settings, [topic])[topic.name].values()]


def _until_the_end(
    address: str, consumer: BlockingConsumer, ends: Mapping[TopicPartition, int]
) -> Iterator[LogRecord]:
    """The records before `ends`. Skips those that retention deletes meanwhile."""
    left = list(ends)
    silent = 0
    while left:
        try:
            fetched = consumer.read(left, _POLL_RECORDS, _POLL_S)
        except OffsetOutOfRange:
            begins = consumer.begins(left)
            consumer.assign({at: max(begins[at], consumer.position(at)) for at in left})
            continue
        silent = 0 if fetched else silent + 1
        for at, records in fetched.items():
            for record in records:
                if record.offset < ends[at]:
                    yield record
        # Unlike the offset of the last record, the position also moves past markers and aborted records.
        left = [at for at in left if consumer.position(at) < ends[at]]
        if silent > _SILENT_POLLS:
            raise ServerUnavailable(f"{address} stopped returning records of {sorted(left)}")

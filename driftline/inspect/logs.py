"""Streams a topic's log: committed records only, up to the end that the log had when the reading began.

Memory holds only what the client has fetched, however long the log. It joins no group and commits nothing.
"""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from contracts.codec import Codec, RecordT
from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from contracts.topics import Topic, prefixed
from eventtime.ticks import TICK_KEY
from transport.kafka.admin import topic_offsets
from transport.kafka.clients import consumer, translated

_POLL_MS = 500
_SILENT_POLLS = 60  # empty polls before the end of the log: half a minute


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record of the log. append_ms: its timestamp, the broker's clock on topics with LogAppendTime."""

    partition: int
    offset: int
    append_ms: int
    key: bytes | None
    value: bytes | None


def read_log(settings: Settings, topic: Topic, *, newest: int | None = None) -> Generator[LogRecord, None, None]:
    """The records of `topic`, in offset order within each partition. newest: only the last so many offsets of each.

    Transaction markers take offsets too, so `newest` offsets hold at most that many records. Raises
    `ServerUnavailable` if the broker does not answer or the topic does not exist.
    """
    with translated(settings), contextlib.closing(consumer(settings, [])) as client:
        spans = _spans(settings, topic, newest)
        client.assign(list(spans))
        for partition, (begin, _) in spans.items():
            client.seek(partition, begin)
        yield from _until_the_end(settings, client, {partition: end for partition, (_, end) in spans.items()})


def newest_records(settings: Settings, topic: Topic, count: int) -> list[LogRecord]:
    """The `count` records of `topic` that were appended last, the newest last, without ticks."""
    if count < 1:
        return []
    width = 2 * count
    while True:
        records = [record for record in read_log(settings, topic, newest=width) if record.key != TICK_KEY]
        if len(records) >= count or width >= max(_lengths(settings, topic), default=0):
            break
        width *= 4  # too many of these offsets were markers, aborted records or ticks
    records.sort(key=lambda record: (record.append_ms, record.partition, record.offset))
    return records[-count:]


def read_records(
    settings: Settings, topic: Topic, codec: Codec[RecordT], *, newest: int | None = None, ticks: bool = False
) -> Iterator[tuple[LogRecord, RecordT]]:
    """`read_log` with decoded values, without tombstones and ticks. Raises `BadRecord` as the codec does.

    ticks: whether to decode records with a tick's key too; on some topics they are of the same type as the others.
    """
    for record in read_log(settings, topic, newest=newest):
        if (ticks or record.key != TICK_KEY) and record.value is not None:
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
            spans[TopicPartition(name, number)] = (begin, offsets.end)
    return spans


def _lengths(settings: Settings, topic: Topic) -> list[int]:
    return [offsets.count for offsets in topic_offsets(settings, [topic])[topic.name].values()]


def _until_the_end(settings: Settings, client: KafkaConsumer, ends: Mapping[Any, int]) -> Iterator[LogRecord]:
    left = dict(ends)
    silent = 0
    while left:
        fetched = client.poll(timeout_ms=_POLL_MS, max_records=2000)
        silent = 0 if fetched else silent + 1
        for partition, records in fetched.items():
            for record in records:
                if record.offset < ends[partition]:
                    yield LogRecord(record.partition, record.offset, record.timestamp, record.key, record.value)
        # Unlike the offset of the last record, the position also moves past markers and aborted records.
        for partition in [partition for partition in left if client.position(partition) >= left[partition]]:
            client.pause(partition)
            del left[partition]
        if silent > _SILENT_POLLS:
            raise ServerUnavailable(
                f"Kafka at {settings.kafka} (setting DRIFTLINE_KAFKA) stopped returning records of {sorted(left)}"
            )

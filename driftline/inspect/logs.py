"""A topic's log read from outside, as a stream: committed records only, up to where it ended when the reading began.

Nothing is held but what the client has fetched, whatever the log's length. No group is joined, nothing is committed.
"""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from contracts.codec import Codec, RecordT
from contracts.errors import ServerUnavailable
from contracts.records import TICK_KEY
from contracts.settings import Settings
from contracts.topics import Topic, prefixed
from transport.kafka.admin import topic_offsets
from transport.kafka.clients import consumer, translated

_POLL_MS = 500
_SILENT_POLLS = 60  # of a broker that has records to give and gives none: half a minute


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record as the log has it. `append_ms` is the broker's clock on topics of LogAppendTime."""

    partition: int
    offset: int
    append_ms: int
    key: bytes | None
    value: bytes | None


def read_log(settings: Settings, topic: Topic, *, newest: int | None = None) -> Generator[LogRecord, None, None]:
    """Every record of `topic` in offset order within a partition, or those of each partition's `newest` offsets.

    Transaction markers take offsets too, so `newest` offsets hold at most that many records.
    Raises `ServerUnavailable` for a broker that does not answer and for a topic that does not exist.
    """
    with translated(settings), contextlib.closing(consumer(settings, [])) as client:
        spans = _spans(settings, topic, newest)
        client.assign(list(spans))
        for partition, (begin, _) in spans.items():
            client.seek(partition, begin)
        yield from _until_the_end(settings, client, {partition: end for partition, (_, end) in spans.items()})


def newest_records(settings: Settings, topic: Topic, count: int) -> list[LogRecord]:
    """The `count` records of `topic` that were appended last, the newest last; ticks are left out."""
    if count < 1:
        return []
    width = 2 * count
    while True:
        records = [record for record in read_log(settings, topic, newest=width) if record.key != TICK_KEY]
        if len(records) >= count or width >= max(_lengths(settings, topic), default=0):
            break
        width *= 4  # of these offsets, too many were markers, aborted records or ticks
    records.sort(key=lambda record: (record.append_ms, record.partition, record.offset))
    return records[-count:]


def read_records(
    settings: Settings, topic: Topic, codec: Codec[RecordT], *, newest: int | None = None, ticks: bool = False
) -> Iterator[tuple[LogRecord, RecordT]]:
    """`read_log` with each value decoded; tombstones are left out, and so are ticks unless `ticks` says that records
    with their key are of this type too. Raises `BadRecord` as the codec does."""
    for record in read_log(settings, topic, newest=newest):
        if (ticks or record.key != TICK_KEY) and record.value is not None:
            yield record, codec.deserialize(record.value)


def _spans(settings: Settings, topic: Topic, newest: int | None) -> dict[TopicPartition, tuple[int, int]]:
    """Partition -> (offset to begin at, offset to stop before) of those that hold anything to read."""
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
        # The position, unlike a record's offset, also passes markers and aborted records.
        for partition in [partition for partition in left if client.position(partition) >= left[partition]]:
            client.pause(partition)
            del left[partition]
        if silent > _SILENT_POLLS:
            raise ServerUnavailable(
                f"Kafka at {settings.kafka} (setting DRIFTLINE_KAFKA) stopped giving records of {sorted(left)}"
            )

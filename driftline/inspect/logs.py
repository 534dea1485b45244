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


class LogReader:
    """Reads one log after another with one client. A read ends where the next one begins."""

    def __init__(self, settings: Settings, consumer: BlockingConsumer) -> None:
        self._settings = settings
        self._consumer = consumer

    @staticmethod
    @contextlib.contextmanager
    def connected(settings: Settings) -> Iterator["LogReader"]:
        """A reader that is connected while the block runs.

        Raises `ServerUnavailable` if the broker does not answer, and `SettingsError` for a broker that holds another
        installation.
        """
        with contextlib.closing(KafkaCluster(settings).blocking_consumer()) as consumer:
            check_identity(settings, consumer)
            yield LogReader(settings, consumer)

    def log(self, topic: Topic, *, newest: int | None = None) -> Iterator[LogRecord]:
        """The records of `topic`, in offset order within each partition. newest: only that many last offsets.

        Transaction markers take offsets too, so `newest` offsets hold at most that many records. Raises
        `ServerUnavailable` if the topic does not exist or the broker no longer answers.
        """
        spans = {
            at: (begin if newest is None else max(begin, end - newest), end)
            for at, (begin, end) in self._held(topic).items()
            if begin < end
        }
        self._consumer.assign({at: begin for at, (begin, _) in spans.items()})
        yield from self._until_the_end({at: end for at, (_, end) in spans.items()})

    def records(
        self, topic: Topic, codec: Reads[ValueT_co], *, ticks: bool = False
    ) -> Iterator[tuple[LogRecord, ValueT_co]]:
        """`log` with decoded values, without tombstones, ticks and declarations. Raises as the codec does.

        ticks: whether to decode records with a tick's key too; on some topics they are of the others' type.
        """
        for record in self.log(topic):
            if (ticks or record.key not in CLOCK_KEYS) and record.value is not None:
                yield record, codec.deserialize(record.value)

    def newest(self, topic: Topic, count: int) -> list[LogRecord]:
        """The `count` records of `topic` that were appended last, the newest last, without ticks and declarations."""
        if count < 1:
            return []
        width = 2 * count
        while True:
            records = [record for record in self.log(topic, newest=width) if record.key not in CLOCK_KEYS]
            if len(records) >= count or width >= max(end - begin for begin, end in self._held(topic).values()):
                break
            width *= 4  # too many of these offsets were markers, aborted records or ticks
        records.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
        return records[-count:]

    def _held(self, topic: Topic) -> dict[TopicPartition, tuple[int, int]]:
        """Partition -> (first offset that it holds, its end)."""
        partitions = [TopicPartition(topic.name, number) for number in self._consumer.partitions(topic.name)]
        if not partitions:
            settings = self._settings
            raise ServerUnavailable(
                f"Kafka at {settings.kafka} has no topic {prefixed(topic, settings.prefix).name} (settings "
                "DRIFTLINE_KAFKA, DRIFTLINE_PREFIX); `driftline topics apply` creates it"
            )
        begins, ends = self._consumer.begins(partitions), self._consumer.ends(partitions)
        return {at: (begins[at], ends[at]) for at in partitions}

    def _until_the_end(self, ends: Mapping[TopicPartition, int]) -> Iterator[LogRecord]:
        """The records before `ends`. Skips those that retention deletes meanwhile."""
        consumer = self._consumer
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
                raise ServerUnavailable(f"{self._settings.kafka} stopped returning records of {sorted(left)}")


def read_log(settings: Settings, topic: Topic, *, newest: int | None = None) -> Generator[LogRecord, None, None]:
    """`LogReader.log` over a connection of its own. Raises as `LogReader.connected` too."""
    with LogReader.connected(settings) as logs:
        yield from logs.log(topic, newest=newest)


def newest_records(settings: Settings, topic: Topic, count: int) -> list[LogRecord]:
    """`LogReader.newest` over a connection of its own. Raises as `LogReader.connected` too."""
    with LogReader.connected(settings) as logs:
        return logs.newest(topic, count)


def read_records(
    settings: Settings, topic: Topic, codec: Reads[ValueT_co], *, ticks: bool = False
) -> Iterator[tuple[LogRecord, ValueT_co]]:
    """`LogReader.records` over a connection of its own. Raises as `LogReader.connected` too."""
    with LogReader.connected(settings) as logs:
        yield from logs.records(topic, codec, ticks=ticks)

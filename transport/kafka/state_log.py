"""Reads one partition of a topic once, from its beginning to its end, outside of any group.

`read_latest` gives the newest value of each key, from which the owner of a compacted topic's partition resumes. Call
it in `Processor.resume`: by then the hop has fenced the former owner, so nothing more is committed past the end.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

from contracts.errors import ServerUnavailable
from contracts.topics import Topic
from transport.ports.kafka import BlockingConsumer, Consumer, Kafka
from transport.ports.kafka_records import ConsumerLost, KafkaFailed, LogRecord, OffsetOutOfRange, TopicPartition
from transport.waiting import announcing

POLL_S = 0.1
POLL_RECORDS = 500


async def read_latest(
    kafka: Kafka, topic: Topic, partition: int, wanted: Callable[[bytes], bool] = lambda key: True
) -> dict[bytes, bytes]:
    """Key -> newest committed value, in the order in which keys were last written; deleted keys are absent.

    wanted: the keys that are kept. Raises `ServerUnavailable`.
    """
    latest: dict[bytes, bytes] = {}
    async for records in read_partition(kafka, topic, partition):
        for record in records:
            key = record.key or b""
            if not wanted(key):
                continue
            latest.pop(key, None)
            if record.value is not None:
                latest[key] = record.value
    return latest


async def read_partition(
    kafka: Kafka, topic: Topic, partition: int, begin: int = 0
) -> AsyncGenerator[list[LogRecord], None]:
    """Batches of the committed records that the partition holds now, from offset `begin` on.

    Skips records that retention deletes meanwhile. Raises `ServerUnavailable`.
    """
    try:
        async with kafka.consumer() as consumer:
            with announcing(kafka.address, f"for what {topic.name}[{partition}] holds"):
                async for records in _read_to_end(consumer, TopicPartition(topic.name, partition), begin):
                    yield records
    except (KafkaFailed, ConsumerLost) as error:
        raise ServerUnavailable(str(error)) from error


def read_partition_blocking(consumer: BlockingConsumer, topic: Topic, partition: int) -> Iterator[list[LogRecord]]:
    """`read_partition` for a thread, from the beginning; takes the consumer's assignment. Raises `KafkaFailed`."""
    at = TopicPartition(topic.name, partition)
    end = consumer.ends([at])[at]
    consumer.assign(consumer.begins([at]))
    while consumer.position(at) < end:
        try:
            found = consumer.read([at], POLL_RECORDS, POLL_S)
        except OffsetOutOfRange:
            consumer.assign(consumer.begins([at]))
            continue
        yield from found.values()


async def _read_to_end(consumer: Consumer, at: TopicPartition, wanted: int) -> AsyncIterator[list[LogRecord]]:
    end = (await consumer.ends([at]))[at]
    begin = (await consumer.begins([at]))[at]
    consumer.assign({at: max(begin, wanted)})
    while await consumer.position(at) < end:
        try:
            found = await consumer.read([at], None, POLL_S)
        except OffsetOutOfRange:
            consumer.seek(at, (await consumer.begins([at]))[at])
            continue
        for records in found.values():
            yield records

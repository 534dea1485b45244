"""One partition of a topic, read once from its beginning to its end, outside of any group.

`read_latest` is what the owner of a compacted topic's partition resumes from: the newest value of each key. Meant for
`Processor.resume`: the hop has fenced the former owner by then, so nothing can be committed after the end that is
read up to.
"""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from contracts.settings import Settings
from contracts.topics import Topic
from transport.kafka.clients import unavailable
from transport.kafka.waiting import announcing

FETCH_BYTES = 8 << 20  # state records are large
FETCH_WAIT_MS = 100


async def read_latest(settings: Settings, topic: Topic, partition: int) -> dict[bytes, bytes]:
    """Key -> newest committed value, in the order in which keys were last written; deleted keys are absent.

    Raises `ServerUnavailable`.
    """
    latest: dict[bytes, bytes] = {}
    async for records in read_partition(settings, topic, partition):
        for record in records:
            latest.pop(record.key, None)
            if record.value is not None:
                latest[record.key] = record.value
    return latest


async def read_partition(
    settings: Settings, topic: Topic, partition: int, begin: int = 0
) -> AsyncIterator[list[ConsumerRecord]]:
    """Batches of the committed records that the partition holds now, from offset `begin` on.

    Raises `ServerUnavailable`.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.split(","),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    try:
        await consumer.start()
        with announcing(settings, f"for what {topic.name}[{partition}] holds"):
            async for records in _read_to_end(
                consumer, TopicPartition(settings.prefix + topic.name, partition), begin
            ):
                yield records
    except KafkaError as error:
        raise unavailable(settings, error) from error
    finally:
        await consumer.stop()


async def _read_to_end(
    consumer: AIOKafkaConsumer, partition: TopicPartition, wanted: int
) -> AsyncIterator[list[ConsumerRecord]]:
    consumer.assign([partition])
    end = (await consumer.end_offsets([partition]))[partition]  # the last stable offset: read-committed
    begin = (await consumer.beginning_offsets([partition]))[partition]
    consumer.seek(partition, max(begin, wanted))
    while await consumer.position(partition) < end:
        for records in (await consumer.getmany(partition, timeout_ms=FETCH_WAIT_MS)).values():
            yield records

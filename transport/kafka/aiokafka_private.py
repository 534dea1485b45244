"""Everything that relies on private names of aiokafka, as they are in the source of version `READ_IN`.

`tests/transport/test_aiokafka_private.py` fails if another version is installed or one of these names has changed.
Then read the new source and adapt this file.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, for_code
from aiokafka.structs import OffsetAndMetadata

from transport.kafka.newer_requests import StableOffsetsRequest, TopicIdsRequest

READ_IN = "0.14.0"
METADATA_PAUSE_S = 0.25
OFFSETS_PAUSE_S = 0.05

_UNSTABLE_OFFSETS = 88  # a transaction that commits offsets is open
_NOT_NOW = (14, 15, 16, _UNSTABLE_OFFSETS)  # the coordinator is loading, unknown or another one

# For some ms after each commit the broker refuses requests with "concurrent transactions", or "not enough replicas"
# to clients of this protocol. Retrying after the usual 100 ms cut a hop's rate to a third.
RETRY_S = 0.01


def paced_consumer(consumer: AIOKafkaConsumer) -> AIOKafkaConsumer:
    """`consumer`, its metadata requests paced by `_pace`."""
    _pace(consumer._client)
    return consumer


def paced_producer(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    """`producer`, its metadata requests paced by `_pace`, and quiet about batches that fail between two attempts."""
    _pace(producer.client)
    producer._message_accumulator._pending_batches = _Pending()
    return producer


class _Pending(set[Any]):
    """Batches on their way. One that waits for another attempt is not among them, and may fail all the same.

    aiokafka then removes it a second time, and each `KeyError` would be a traceback in the log.
    """

    def remove(self, batch: Any) -> None:
        """Remove a batch, if it is there."""
        self.discard(batch)


def _pace(client: AIOKafkaClient) -> None:
    """Make failing metadata requests of `client` take `METADATA_PAUSE_S` seconds.

    While a partition has no leader, aiokafka's fetcher and sender ask again at once. With the only broker away, that
    is a busy loop of a thousand refused connections a second.
    """
    update = client._metadata_update

    async def paced_update(*arguments: Any) -> bool:
        updated: bool = await update(*arguments)
        if not updated:
            await asyncio.sleep(METADATA_PAUSE_S)
        return updated

    client._metadata_update = paced_update


async def start(producer: AIOKafkaProducer) -> None:
    """Start `producer`. Raises `KafkaError`, even where aiokafka itself raises an `AssertionError`."""
    try:
        await producer.start()
    except AssertionError as error:  # a broker that has only just started names no brokers, itself included
        raise KafkaConnectionError("the broker knows of no broker yet") from error


async def committed_with_metadata(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """What the consumer's group committed, with the metadata; waits for open transactions that change it.

    `consumer.committed` drops the metadata, and answers while such a transaction is open.
    """
    coordinator = consumer._coordinator
    by_topic: dict[str, list[int]] = {}
    for at in partitions:
        by_topic.setdefault(at.topic, []).append(at.partition)
    while True:
        await coordinator.ensure_coordinator_known()
        response = await coordinator._send_req(StableOffsetsRequest(coordinator.group_id, list(by_topic.items())))
        rows = [(topic, *row) for topic, of_topic, _ in response.topics for row in of_topic]
        failed = {code for code in (response.error_code, *(row[5] for row in rows)) if code}
        if not failed:
            return {
                TopicPartition(topic, number): OffsetAndMetadata(offset, metadata or "")
                for topic, number, offset, _, metadata, *_ in rows
                if offset >= 0
            }
        error = next((for_code(code) for code in failed if code not in _NOT_NOW), None)
        if error is not None:
            raise error()
        if failed - {_UNSTABLE_OFFSETS}:
            coordinator.coordinator_dead()  # it has moved, or is moving
        await asyncio.sleep(OFFSETS_PAUSE_S)


async def topics(consumer: AIOKafkaConsumer) -> dict[str, int]:
    """Topic -> its number of partitions, of all topics that exist. Raises `KafkaError`."""
    cluster = await consumer._client.fetch_all_metadata()
    return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}


async def topic_ids(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> dict[str, str]:
    """Topic -> the id that it got when it was made; topics that do not exist are absent. Raises `KafkaError`."""
    client = consumer._client
    node = client.get_random_node()
    if node is None:
        raise NodeNotReadyError("no broker is known")
    response = await client.send(node, TopicIdsRequest(topics))
    return {name: str(topic_id) for code, name, topic_id, *_ in response.topics if not code}


def check_membership(consumer: AIOKafkaConsumer) -> None:
    """Raise the error that ended the group membership, if any. Reads do not raise it while nothing is assigned."""
    consumer._coordinator.check_errors()


def rejoin(consumer: AIOKafkaConsumer) -> None:
    """Make the group assign its partitions again."""
    consumer._coordinator.request_rejoin()


def retry_soon(producer: AIOKafkaProducer) -> None:
    """Make a transactional producer retry after `RETRY_S`, and only batches that may still be delivered."""
    # Not `retry_backoff_ms`, which would also change how often it tries to connect.
    producer._sender._retry_backoff = RETRY_S
    accumulator = producer._message_accumulator
    accumulator.reenqueue = partial(_send_again, accumulator.reenqueue)


def _send_again(reenqueue: Callable[[Any], None], batch: Any) -> None:
    """Retry `batch` unless it failed for good while its retry waited, as every batch does when the sender dies.

    For such a batch aiokafka would raise a `KeyError`, in a task that nobody awaits.
    """
    if not batch.future.done():
        reenqueue(batch)


def died_of(producer: AIOKafkaProducer) -> BaseException | None:
    """The error that ended the producer's sending task, if any."""
    sender = producer._sender.sender_task
    return None if sender is None or not sender.done() or sender.cancelled() else sender.exception()


def retrieve_failures(producer: AIOKafkaProducer) -> None:
    """Look at every failure that a closed transactional producer keeps, or asyncio reports it as never retrieved."""
    died_of(producer)
    accumulator = producer._message_accumulator
    batches = [batch for waiting in accumulator._batches.values() for batch in waiting]
    waiters = [batch._drain_waiter for batch in (*batches, *accumulator._pending_batches)]
    for waiter in (producer._txn_manager.wait_for_transaction_end(), *waiters):
        if waiter is not None and waiter.done() and not waiter.cancelled():
            waiter.exception()

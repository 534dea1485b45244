"""All that relies on names that aiokafka keeps to itself, read in the source of version `READ_IN`.

`tests/transport/test_aiokafka_private.py` fails where another version is installed or one of these names has changed:
read its source then, and mend what stands here.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata

READ_IN = "0.14.0"
METADATA_PAUSE_S = 0.25

# After each commit the broker is busy with it for some ms, and refuses what comes: "concurrent transactions",
# or "not enough replicas" to clients of this protocol. A retry after the usual 100 ms cut a hop's rate to a third.
RETRY_S = 0.01


def paced_consumer(consumer: AIOKafkaConsumer) -> AIOKafkaConsumer:
    """`consumer`, which asks for metadata at a measured pace."""
    _pace(consumer._client)
    return consumer


def paced_producer(producer: AIOKafkaProducer) -> AIOKafkaProducer:
    """`producer`, which asks for metadata at a measured pace."""
    _pace(producer.client)
    return producer


def _pace(client: AIOKafkaClient) -> None:
    """Make failing metadata requests of `client` take `METADATA_PAUSE_S` seconds.

    aiokafka asks again at once, from its fetcher and its sender, while a partition has no leader: with the
    only broker away that is a busy loop of a thousand refused connections a second.
    """
    update = client._metadata_update

    async def paced_update(*arguments: Any) -> bool:
        updated: bool = await update(*arguments)
        if not updated:
            await asyncio.sleep(METADATA_PAUSE_S)
        return updated

    client._metadata_update = paced_update


async def start(producer: AIOKafkaProducer) -> None:
    """Start `producer`. Raises `KafkaError`, also where aiokafka fails an assertion."""
    try:
        await producer.start()
    except AssertionError as error:  # a broker that has only just started names no brokers, itself included
        raise KafkaConnectionError("the broker knows of no broker yet") from error


async def committed_with_metadata(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """What the consumer's group committed; `consumer.committed` would drop the metadata."""
    found: dict[TopicPartition, OffsetAndMetadata] = await consumer._coordinator.fetch_committed_offsets(
        list(partitions)
    )
    return found


def check_membership(consumer: AIOKafkaConsumer) -> None:
    """Raise what ended the membership of the group, if anything did; no read does while nothing is assigned."""
    consumer._coordinator.check_errors()


def rejoin(consumer: AIOKafkaConsumer) -> None:
    """Have the group assign its partitions anew."""
    consumer._coordinator.request_rejoin()


def retry_soon(producer: AIOKafkaProducer) -> None:
    """Make a transactional producer try again after `RETRY_S`, and only what may still be delivered."""
    # Not `retry_backoff_ms`, which says how often to connect as well.
    producer._sender._retry_backoff = RETRY_S
    accumulator = producer._message_accumulator
    accumulator.reenqueue = partial(_send_again, accumulator.reenqueue)


def _send_again(reenqueue: Callable[[Any], None], batch: Any) -> None:
    """Not what has failed for good while its retry waited, as all does when the sender dies: of such a batch aiokafka
    raises a `KeyError`, in a task that nobody awaits."""
    if not batch.future.done():
        reenqueue(batch)


def died_of(producer: AIOKafkaProducer) -> BaseException | None:
    """What ended the producer's sending task, if anything did."""
    sender = producer._sender.sender_task
    return None if sender is None or not sender.done() or sender.cancelled() else sender.exception()

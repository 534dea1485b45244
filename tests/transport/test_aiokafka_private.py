"""What aiokafka keeps to itself is still as `transport/kafka/aiokafka_private.py` relies on it."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager

from transport.kafka import aiokafka_private


def test_the_version_that_was_read_is_the_one_installed() -> None:
    assert version("aiokafka") == aiokafka_private.READ_IN


@pytest.mark.parametrize(
    ("method", "parameters", "is_async"),
    [
        (AIOKafkaClient._metadata_update, ["cluster_metadata", "topics"], True),
        (GroupCoordinator.fetch_committed_offsets, ["partitions"], True),
        (GroupCoordinator.check_errors, [], False),
        (GroupCoordinator.request_rejoin, [], False),
        (MessageAccumulator.reenqueue, ["batch"], False),
        (TransactionManager.wait_for_transaction_end, [], False),
    ],
)
def test_a_method_still_takes_what_it_took(
    method: Callable[..., object], parameters: list[str], is_async: bool
) -> None:
    assert list(inspect.signature(method).parameters) == ["self", *parameters]
    assert inspect.iscoroutinefunction(method) == is_async


@pytest.fixture
async def producer() -> Iterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(transactional_id="x")
    yield made
    await made.stop()


async def test_a_producer_still_has_its_parts(producer: AIOKafkaProducer) -> None:
    assert isinstance(producer.client, AIOKafkaClient)
    assert isinstance(producer._sender, Sender)
    assert producer._sender._retry_backoff == 0.1
    assert producer._sender.sender_task is None
    assert isinstance(producer._message_accumulator, MessageAccumulator)
    assert not producer._message_accumulator._batches
    assert not producer._message_accumulator._pending_batches
    assert isinstance(producer._txn_manager, TransactionManager)


async def test_a_consumer_still_has_its_parts() -> None:
    consumer = AIOKafkaConsumer(group_id="x")
    assert isinstance(consumer._client, AIOKafkaClient)
    assert consumer._coordinator is None  # until it is started
    await consumer.stop()


async def test_a_batch_that_fails_while_it_waits_for_another_attempt_is_no_error(producer: AIOKafkaProducer) -> None:
    accumulator = aiokafka_private.paced_producer(producer)._message_accumulator
    accumulator._txn_manager = None
    at = TopicPartition("topic", 0)
    await accumulator.add_message(at, None, b"value", 1.0)
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    batch = accumulator._pop_batch(at)
    assert batch in accumulator._pending_batches
    accumulator.reenqueue(batch)
    batch.failure(KafkaError("the broker is gone"))
    await asyncio.sleep(0)
    batch.future.exception()
    assert failures == []

"""The transactional producer port on aiokafka. Topics and the transactional id get the installation's prefix."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka import TopicPartition as PrefixedPartition
from aiokafka.errors import InvalidProducerEpoch, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from contracts.settings import Settings
from contracts.topics import ALL
from transport.kafka import aiokafka_private
from transport.kafka.aiokafka_clients import as_ours, close
from transport.kafka.clients import COMPRESSION, MAX_REQUEST_BYTES, address
from transport.kafka.partitioner import partition_of
from transport.ports.kafka_records import Committed, Fenced, KafkaFailed, Output, TopicPartition
from transport.waiting import announcing

TRANSACTION_TIMEOUT_MS = 30_000  # how long a killed owner's open transaction may hold back readers
BATCH_BYTES = 512 * 1024  # of records before compression: below every topic's `max.message.bytes`

_TOPICS = {topic.name: topic for topic in ALL}


class AiokafkaTransactionalProducer:
    """`transport.ports.kafka.TransactionalProducer`."""

    def __init__(self, settings: Settings, group: str, number: int) -> None:
        self._settings = settings
        self._prefix = settings.prefix
        self._address = address(settings)
        self._group = settings.prefix + group
        self._id = f"{self._group}-{number}"
        self._client = aiokafka_private.paced_producer(
            AIOKafkaProducer(
                bootstrap_servers=settings.kafka.split(","),
                client_id=self._id,
                transactional_id=self._id,
                transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
                compression_type=COMPRESSION,
                max_batch_size=BATCH_BYTES,
                max_request_size=MAX_REQUEST_BYTES,
            )
        )
        aiokafka_private.retry_soon(self._client)

    @contextlib.asynccontextmanager
    async def owned(self) -> AsyncIterator["AiokafkaTransactionalProducer"]:
        """See `Kafka.own`."""
        try:
            with as_ours(self._address), announcing(self._address, f"to begin transactions of {self._id}"):
                await aiokafka_private.start(self._client)
            yield self
        except KafkaFailed as error:
            if self._was_fenced(error):
                raise Fenced(f"{self._id} has a younger owner") from error
            raise
        finally:
            await close(self._client)
            aiokafka_private.retrieve_failures(self._client)

    async def commit(self, outputs: Sequence[Output], offsets: Mapping[TopicPartition, Committed]) -> None:
        """See `TransactionalProducer`."""
        positions = {
            PrefixedPartition(self._prefix + at.topic, at.partition): OffsetAndMetadata(*committed)
            for at, committed in offsets.items()
        }
        with as_ours(self._address), announcing(self._address, f"to commit a batch of {self._id}"):
            async with self._client.transaction():
                delivered: list[asyncio.Future[object]] = []
                try:
                    for output in outputs:
                        delivered.append(await self._send(output))  # noqa: PERF401
                    if positions:
                        await self._client.send_offsets_to_transaction(positions, self._group)
                    for delivery in delivered:
                        await delivery
                except BaseException:
                    for delivery in delivered:
                        delivery.add_done_callback(_retrieve)  # or asyncio reports each as never retrieved
                    raise

    async def _send(self, output: Output) -> "asyncio.Future[object]":
        partition = output.partition
        if partition is None and output.key is not None:
            partition = partition_of(output.key, _TOPICS[output.topic].partitions(self._settings))
        delivery: asyncio.Future[object] = await self._client.send(
            self._prefix + output.topic, output.value, key=output.key, partition=partition
        )
        return delivery

    def _was_fenced(self, error: KafkaFailed) -> bool:
        """Whether we were fenced. The sender may have died of it between two calls; the next then fails otherwise."""
        causes = (error.__cause__, aiokafka_private.died_of(self._client))
        return any(isinstance(cause, ProducerFenced | InvalidProducerEpoch) for cause in causes)


def _retrieve(delivery: "asyncio.Future[object]") -> None:
    if not delivery.cancelled():
        delivery.exception()

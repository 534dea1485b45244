"""The transactional producer of one input partition number: who holds it owns the partition's commits."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from contracts.errors import DriftlineError
from contracts.settings import Settings
from contracts.topics import ALL
from transport.kafka.clients import COMPRESSION, MAX_REQUEST_BYTES
from transport.kafka.partitioner import partition_of
from transport.kafka.waiting import announcing, close, pace, start
from transport.processor import Output

# After each commit the broker is busy with it for some ms, and refuses what comes: "concurrent transactions",
# or "not enough replicas" to clients of this protocol. A retry after the usual 100 ms cut a hop's rate to a third.
RETRY_S = 0.01
TRANSACTION_TIMEOUT_MS = 30_000  # how long a killed owner's open transaction may hold back readers
BATCH_BYTES = 512 * 1024  # of records before compression: below every topic's `max.message.bytes`

_PARTITIONS = {topic.name: topic.partitions for topic in ALL}


class Fenced(DriftlineError):
    """A younger owner of the partition has begun its transactions: nothing of ours can be committed any more."""


class HopProducer:
    """Sends batches of outputs together with the offsets they came from."""

    def __init__(self, settings: Settings, group: str, number: int) -> None:
        self._settings = settings
        self._group = group
        self._number = number
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka.split(","),
            client_id=f"{group}-{number}",
            transactional_id=f"{group}-{number}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            compression_type=COMPRESSION,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
        )
        pace(self._producer.client)
        # Not `retry_backoff_ms`, which says how often to connect as well.
        self._producer._sender._retry_backoff = RETRY_S
        accumulator = self._producer._message_accumulator
        accumulator.reenqueue = partial(_send_again, accumulator.reenqueue)

    @contextlib.asynccontextmanager
    async def owned(self) -> AsyncIterator["HopProducer"]:
        """Own the partition for the block: whoever owned it before is fenced, and what it left open is aborted.

        Raises `Fenced` out of the block once another one has become the owner.
        """
        try:
            with announcing(self._settings, f"to begin transactions of {self._group}-{self._number}"):
                await start(self._producer)
            yield self
        except (KafkaError, IllegalOperation) as error:
            if self._was_fenced(error):
                raise Fenced(f"{self._group}-{self._number} has a younger owner") from error
            raise
        finally:
            await close(self._producer)
            self._died_of()  # or asyncio reports it, with its stack trace, as never retrieved

    async def commit(self, outputs: Sequence[Output], offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Send `outputs` and commit `offsets` in one transaction, or neither."""
        with announcing(self._settings, f"to commit a batch of {self._group}-{self._number}"):
            async with self._producer.transaction():
                delivered: list[asyncio.Future[object]] = []
                try:
                    for output in outputs:
                        delivered.append(await self._send(output))  # noqa: PERF401
                    await self._producer.send_offsets_to_transaction(dict(offsets), self._group)
                    for delivery in delivered:
                        await delivery
                except BaseException:
                    for delivery in delivered:
                        delivery.add_done_callback(_retrieve)  # or asyncio reports each as never retrieved
                    raise

    async def _send(self, output: Output) -> "asyncio.Future[object]":
        partitions = _PARTITIONS[output.topic]
        if output.partition is not None:
            partition = output.partition
        elif output.key is not None:
            partition = partition_of(output.key, partitions)
        else:
            partition = self._number % partitions
        delivery: asyncio.Future[object] = await self._producer.send(
            self._settings.prefix + output.topic, output.value, key=output.key, partition=partition
        )
        return delivery

    def _was_fenced(self, error: Exception) -> bool:
        """The sender may have died of it while we were between two calls, which then fail of something else."""
        return any(isinstance(cause, ProducerFenced | InvalidProducerEpoch) for cause in (error, self._died_of()))

    def _died_of(self) -> BaseException | None:
        """What ended the client's sending task, if anything did."""
        sender = self._producer._sender.sender_task
        return None if sender is None or not sender.done() or sender.cancelled() else sender.exception()


def _send_again(reenqueue: Callable[[Any], None], batch: Any) -> None:
    """Not what has failed for good while its retry waited, as all does when the sender dies: of such a batch aiokafka
    raises a `KeyError`, in a task that nobody awaits."""
    if not batch.future.done():
        reenqueue(batch)


def _retrieve(delivery: "asyncio.Future[object]") -> None:
    if not delivery.cancelled():
        delivery.exception()

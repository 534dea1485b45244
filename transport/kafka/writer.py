"""Writes records to Kafka at high rates, outside of transactions, for generators and simulation.

The producer's own `send` costs some 25 us a record (a future each, size estimates, metadata look-ups). Here records
go straight into their partition's batch (3.5 us, including compression). The producer gets whole batches: full ones,
and those that have lingered.
"""

import asyncio
import contextlib
from collections import defaultdict
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from contracts.settings import Settings
from contracts.topics import Topic
from transport.kafka.aiokafka_clients import close
from transport.kafka.aiokafka_private import paced_producer, start
from transport.kafka.clients import COMPRESSION, MAX_REQUEST_BYTES, address, unavailable
from transport.kafka.record_writer import BATCH_BYTES, RecordWriter, WriteFailed
from transport.metrics import WRITER_RECORDS
from transport.waiting import announcing

LINGER_S = 0.02


class _Partition:
    """The batch that a partition's next records go into. The lock keeps batches in order while they are sent."""

    __slots__ = ("batch", "lock")

    def __init__(self) -> None:
        self.batch: Any = None
        self.lock = asyncio.Lock()


class KafkaWriter(RecordWriter):
    """A `RecordWriter` on aiokafka; an asynchronous context manager. Leaving the block flushes.

    `send` waits while batches are being sent: at most three of a partition exist at a time. Several tasks that write
    to one partition concurrently get no order among them.
    """

    def __init__(self, settings: Settings, *, linger_s: float = LINGER_S) -> None:
        super().__init__(settings)
        self._linger_s = linger_s
        self._partitions: dict[tuple[str, int], _Partition] = defaultdict(_Partition)
        self._in_flight: set[asyncio.Future[Any]] = set()
        self._failure: BaseException | None = None

    async def __aenter__(self) -> "KafkaWriter":
        """Raises `ServerUnavailable`."""
        self._producer = paced_producer(
            AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka.split(","),
                client_id=f"{self._settings.prefix}driftline-writer",
                enable_idempotence=True,
                acks="all",
                compression_type=COMPRESSION,
                max_batch_size=BATCH_BYTES,
                max_request_size=MAX_REQUEST_BYTES,
            )
        )
        try:
            await start(self._producer)
        except KafkaError as error:
            await close(self._producer)
            raise unavailable(self._settings, error) from error
        self._linger_task = asyncio.create_task(self._hand_over_lingering())
        return self

    async def _close(self) -> None:
        self._linger_task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._linger_task
        await close(self._producer)

    async def _append(self, topic: Topic, partition: int, key: bytes | None, value: bytes) -> None:
        place = self._partitions[topic.name, partition]
        while place.batch is None or place.batch.append(timestamp=None, key=key, value=value) is None:
            if place.batch is not None:
                await self._hand_over(topic.name, partition)
            if place.batch is None:
                place.batch = self._producer.create_batch()

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything that was sent. Raises `WriteFailed`."""
        for topic, partition in list(self._partitions):
            await self._hand_over(topic, partition)
        if self._in_flight:
            with announcing(address(self._settings), "to acknowledge what was written"):
                await asyncio.wait(self._in_flight)
        self._raise_failure()

    async def _hand_over_lingering(self) -> None:
        while True:
            await asyncio.sleep(self._linger_s)
            for topic, partition in list(self._partitions):
                await self._hand_over(topic, partition)

    async def _hand_over(self, topic: str, partition: int) -> None:
        """Give the producer the partition's batch; waits until the previous batch has left."""
        place = self._partitions[topic, partition]
        async with place.lock:
            batch, place.batch = place.batch, None
            if batch is None:
                return
            with announcing(address(self._settings), f"to take records of {topic}"):
                delivery = await self._enqueue(batch, self._settings.prefix + topic, partition)
            self._in_flight.add(delivery)
            delivery.add_done_callback(self._delivered)
            WRITER_RECORDS.labels(topic).inc(batch.record_count())

    async def _enqueue(self, batch: Any, topic: str, partition: int) -> "asyncio.Future[Any]":
        while True:
            self._raise_failure()
            try:
                delivery: asyncio.Future[Any] = await self._producer.send_batch(batch, topic, partition=partition)
            except KafkaTimeoutError:
                continue  # the broker is away: the batch was not taken, and what was is still being retried
            except KafkaError as error:
                raise WriteFailed(
                    f"{topic}[{partition}] cannot be written: {error!r}; see `driftline topics plan`"
                ) from error
            return delivery

    def _delivered(self, delivery: "asyncio.Future[Any]") -> None:
        self._in_flight.discard(delivery)
        if not delivery.cancelled() and (error := delivery.exception()) is not None:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise WriteFailed(
                f"Kafka at {self._settings.kafka} refused records: {self._failure!r}"
            ) from self._failure

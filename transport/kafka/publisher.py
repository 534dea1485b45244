"""Writes records to Kafka through the plain kafka-python producer, for replaying files at moderate rates.

A record costs some 70 us, including the sending thread; with `writer.py` it costs some 5.
"""

import asyncio
import logging
from collections import deque
from typing import Any

from kafka.errors import KafkaError

from contracts.settings import Settings
from contracts.topics import Topic
from transport.kafka import clients as kafka_clients
from transport.kafka.aiokafka_clients import CLOSE_S
from transport.kafka.record_writer import BATCH_BYTES, RecordWriter, WriteFailed
from transport.metrics import WRITER_RECORDS
from transport.waiting import announcing

MOST_UNCONFIRMED = 20_000  # records that may be on their way
_LINGER_MS = 20
_FOR_EVER_MS = (1 << 31) - 1  # a broker that is away is waited for, and said to be away: never given up in silence

log = logging.getLogger(__name__)


class KafkaPublisher(RecordWriter):
    """A `RecordWriter` on kafka-python; an asynchronous context manager. Leaving the block flushes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._known: set[str] = set()  # topics whose partitions the producer knows
        self._unconfirmed: deque[Any] = deque()  # futures, oldest first

    async def __aenter__(self) -> "KafkaPublisher":
        """Raises `ServerUnavailable`."""
        self._producer = await asyncio.to_thread(
            kafka_clients.producer,
            self._settings,
            client_id=f"{self._settings.prefix}driftline-publisher",
            linger_ms=_LINGER_MS,
            batch_size=BATCH_BYTES,
            delivery_timeout_ms=_FOR_EVER_MS,
        )
        return self

    async def _close(self) -> None:
        await asyncio.to_thread(self._producer.close, timeout=CLOSE_S)

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything that was sent. Raises `WriteFailed`."""
        with announcing(kafka_clients.address(self._settings), "to acknowledge what was written"):
            await asyncio.to_thread(self._producer.flush)
        self._take_confirmed()

    async def _append(self, topic: Topic, partition: int, key: bytes | None, value: bytes) -> None:
        name = self._settings.prefix + topic.name
        if name not in self._known:
            await self._get_to_know(name)
        self._unconfirmed.append(self._producer.send(name, value=value, key=key, partition=partition))
        WRITER_RECORDS.labels(topic.name).inc()
        if len(self._unconfirmed) >= MOST_UNCONFIRMED:
            with announcing(kafka_clients.address(self._settings), f"to take records of {topic.name}"):
                await asyncio.to_thread(_settled, self._unconfirmed[MOST_UNCONFIRMED // 2])
            self._take_confirmed()

    async def _get_to_know(self, name: str) -> None:
        """Fetch a topic's partitions in a thread: `send` would block the event loop until they are known."""
        with announcing(kafka_clients.address(self._settings), f"for the partitions of {name}"):
            partitions = await asyncio.to_thread(self._producer.partitions_for, name)
        if not partitions:
            raise WriteFailed(f"{name} cannot be written: there is no such topic; see `driftline topics plan`")
        self._known.add(name)

    def _take_confirmed(self) -> None:
        while self._unconfirmed and self._unconfirmed[0].is_done:
            future = self._unconfirmed.popleft()
            if future.failed():
                raise WriteFailed(
                    f"Kafka at {self._settings.kafka} refused records: {future.exception!r}; "
                    "see `driftline topics plan`"
                ) from future.exception


def _settled(future: Any) -> None:
    """Wait until a delivery has succeeded or failed."""
    try:
        future.get()
    except KafkaError as error:
        log.debug("a delivery failed: %r; `send` raises it", error)

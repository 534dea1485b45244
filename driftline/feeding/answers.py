"""Ranked timelines as they come: a plain kafka-python consumer in a thread of its own, read from the end."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from kafka import KafkaConsumer

from contracts.codec import Codec
from contracts.errors import BadRecord
from contracts.records import TICK_KEY, RankedTimeline
from contracts.settings import Settings
from contracts.topics import TIMELINES_RANKED
from transport.kafka.clients import consumer, translated

log = logging.getLogger(__name__)

_POLL_MS = 100
_POLL_RECORDS = 500
_codec = Codec(RankedTimeline)


@contextlib.asynccontextmanager
async def open_answers(settings: Settings) -> AsyncIterator["Answers"]:
    """Answers to requests that are written after this: the ends of all partitions are fixed before it returns.

    Raises `ServerUnavailable`.
    """
    client = await asyncio.to_thread(_at_the_end, settings)
    try:
        yield Answers(client)
    finally:
        await asyncio.to_thread(client.close)


def _at_the_end(settings: Settings) -> KafkaConsumer:
    client = consumer(settings, [TIMELINES_RANKED], newest_only=True)
    with translated(settings):
        while not client.assignment():
            client.poll(timeout_ms=_POLL_MS)
        for partition in client.assignment():
            client.position(partition)
    return client


class Answers:
    """`take()` waits a moment for timelines. What does not decode is no answer; the log says so."""

    def __init__(self, client: KafkaConsumer) -> None:
        self._client = client

    async def take(self) -> list[RankedTimeline]:
        """Timelines that arrived, of whatever requests; perhaps none."""
        polled = await asyncio.to_thread(self._client.poll, timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
        found = []
        for records in polled.values():
            for record in records:
                if record.key == TICK_KEY or record.value is None:
                    continue
                try:
                    found.append(_codec.deserialize(record.value))
                except BadRecord as error:
                    log.warning("%s[%d]@%d: %s", record.topic, record.partition, record.offset, error)
        return found

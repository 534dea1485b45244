"""Reads ranked timelines as they arrive: a kafka-python consumer, polled in a thread, from the end of the log."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from kafka import KafkaConsumer

from contracts.codec import Codec
from contracts.errors import BadRecord
from contracts.records import RankedTimeline
from contracts.settings import Settings
from contracts.topics import TIMELINES_RANKED
from eventtime.ticks import TICK_KEY
from transport.kafka.clients import consumer, translated

log = logging.getLogger(__name__)

_POLL_MS = 100
_POLL_RECORDS = 500
_codec = Codec(RankedTimeline)


@contextlib.asynccontextmanager
async def open_answers(settings: Settings) -> AsyncIterator["Answers"]:
    """Read the answers to all requests written from now on: all partitions' ends are fixed before this returns.

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
    """The reader. Values that do not decode are logged and skipped."""

    def __init__(self, client: KafkaConsumer) -> None:
        self._client = client

    async def take(self) -> list[RankedTimeline]:
        """Wait up to 100 ms for timelines, of any requests, and return them; perhaps none."""
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

"""Waiting for a broker that was there and no longer answers: saying so, and not for ever when closing."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from contracts.settings import Settings

log = logging.getLogger(__name__)

SAY_EVERY_S = 5.0
METADATA_PAUSE_S = 0.25
CLOSE_S = 5.0  # for a producer to close in good order


@contextlib.contextmanager
def announcing(settings: Settings, what: str) -> Iterator[None]:
    """While the block takes longer than `SAY_EVERY_S` seconds, say so, naming the address; needs a running loop."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    timer: asyncio.TimerHandle

    def say() -> None:
        nonlocal timer
        say_silent(settings, loop.time() - began, f"waiting {what}")
        timer = loop.call_later(SAY_EVERY_S, say)

    timer = loop.call_later(SAY_EVERY_S, say)
    try:
        yield
    finally:
        timer.cancel()


def say_silent(settings: Settings, seconds: float, what: str) -> None:
    """Log that Kafka has not answered for so long."""
    log.warning(
        "Kafka at %s (setting DRIFTLINE_KAFKA) has not answered for %.0f s: %s", settings.kafka, seconds, what
    )


def pace(client: AIOKafkaClient) -> None:
    """Make failing metadata requests of `client` take `METADATA_PAUSE_S` seconds.

    aiokafka 0.14 asks again at once, from its fetcher and its sender, while a partition has no leader: with the
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


async def close(producer: AIOKafkaProducer) -> None:
    """Stop `producer`, in `CLOSE_S` seconds if its broker is away; an open transaction is left to its next owner."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await producer.stop()
    except (KafkaError, TimeoutError) as error:
        log.debug("a producer did not close in good order: %r", error)
        await producer.client.close()

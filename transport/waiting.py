"""Saying what a process waits for, when a broker that was there no longer answers."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from contracts.settings import Settings

log = logging.getLogger(__name__)

SAY_EVERY_S = 5.0


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

"""Waiting for a server that was there and no longer answers: saying so, again and again."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

log = logging.getLogger(__name__)

SAY_EVERY_S = 5.0


@contextlib.contextmanager
def announcing(server: str, what: str) -> Iterator[None]:
    """While the block takes longer than `SAY_EVERY_S` seconds, say so; needs a running loop.

    server: its name, its address and the setting that says so.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    timer: asyncio.TimerHandle

    def say() -> None:
        nonlocal timer
        say_silent(server, loop.time() - began, f"waiting {what}")
        timer = loop.call_later(SAY_EVERY_S, say)

    timer = loop.call_later(SAY_EVERY_S, say)
    try:
        yield
    finally:
        timer.cancel()


def say_silent(server: str, seconds: float, what: str) -> None:
    """Log that `server` has not answered for so long."""
    log.warning("%s has not answered for %.0f s: %s", server, seconds, what)

"""Logs, again and again, that a server no longer answers while a process waits for it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from contracts.errors import ServerUnavailable
from transport.backoff import pauses

log = logging.getLogger(__name__)

SAY_EVERY_S = 5.0

ResultT = TypeVar("ResultT")


@contextlib.contextmanager
def announcing(server: str, what: str) -> Iterator[None]:
    """Log every `SAY_EVERY_S` seconds that the block is still waiting; needs a running event loop.

    server: its name, its address and the setting that names it.
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


async def once_available(attempt: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """What `attempt` returns, as soon as it does not raise `ServerUnavailable`; says why it tries again."""
    for pause in pauses():
        try:
            return await attempt()
        except ServerUnavailable as error:
            log.warning("%s; trying again in %.1f s", error, pause)
        await asyncio.sleep(pause)
    raise AssertionError("pauses() never ends")


def say_silent(server: str, seconds: float, what: str) -> None:
    """Log that `server` has not answered for `seconds`."""
    log.warning("%s has not answered for %.0f s: %s", server, seconds, what)

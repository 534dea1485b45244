"""Runs a service until SIGTERM or Ctrl-C asks it to drain."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

from contracts.settings import Settings


async def until_signalled(run: Callable[[Settings, asyncio.Event], Awaitable[None]], settings: Settings) -> None:
    """Run `run(settings, stop)`. SIGTERM and SIGINT set `stop`."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await run(settings, stop)

"""How far ingest is behind what is fed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from contracts.settings import Settings
from driftline.inspect.lags import GROUPS, LagMeter

_INGEST = {"ingest": GROUPS["ingest"]}


@contextlib.asynccontextmanager
async def following_ingest(settings: Settings) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A `FeedConfig.behind` over one connection, for as long as the block runs. Raises `ServerUnavailable`."""
    with contextlib.ExitStack() as opened:
        meter = await asyncio.to_thread(opened.enter_context, LagMeter.connected(settings))

        async def behind() -> int:
            return (await asyncio.to_thread(meter.read, _INGEST))["ingest"]

        yield behind

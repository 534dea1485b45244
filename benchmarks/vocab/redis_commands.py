"""The cost of the vocabulary's view in Redis: commands, bytes and CPU time, as counted by a real server."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from contracts.settings import Settings
from driftline.servers.local import running, start_redis
from transport.redis.client import RedisClient
from transport.redis.connection import connect
from vocab.view.store import write_view
from vocab.view.updates import ViewUpdates


def measure(writes: Sequence[ViewUpdates], tweets: int) -> None:
    """Write an owner's view updates of each window to Redis, and print their cost per 1,000 tweets."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(start_redis(Path(folder), print, bound=True, install=True)) as server,
    ):
        asyncio.run(_measure(msgspec.structs.replace(Settings(), redis=server.address), writes, tweets))


async def _measure(settings: Settings, writes: Sequence[ViewUpdates], tweets: int) -> None:
    redis = connect(settings)
    try:
        await write_view(redis, settings, writes[0])  # loads the script
        await redis.client.config_resetstat()
        for updates in writes:
            await write_view(redis, settings, updates)
        calls, microseconds = await _commands(redis)
        memory = (await redis.client.info("memory"))["used_memory"]
    finally:
        await redis.aclose()
    thousands = tweets / 1_000
    sent = calls.pop("evalsha", 0)
    inside = ", ".join(f"{count / thousands:.1f} {name}" for name, count in sorted(calls.items()))
    megabytes = sum(len(value) for updates in writes for value in updates.values) / 1e6
    print(
        f"Redis, of 1,000 tweets: {sent / thousands:.2f} commands (evalsha; in it {inside}), "
        f"{megabytes / thousands:.2f} MB, {microseconds / thousands / 1e3:.2f} ms of Redis; "
        f"it holds {memory / 1e6:.1f} MB"
    )


async def _commands(redis: RedisClient) -> tuple[dict[str, int], float]:
    """(calls by command, the script's time in microseconds, which includes the commands that it calls)."""
    stats = await redis.client.info("commandstats")
    stats = {name.removeprefix("cmdstat_"): row for name, row in stats.items()}
    calls = {name: row["calls"] for name, row in stats.items() if name not in ("info", "config|resetstat")}
    return calls, stats["evalsha"]["usec"]

"""What the vocabulary's view costs Redis: commands, bytes and CPU time, as a real server counts them."""

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
    """Writes what an owner had to show after each window, and prints what that was for 1,000 tweets."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(start_redis(Path(folder), print, bound=True, install=True)) as server,
    ):
        asyncio.run(_measure(msgspec.structs.replace(Settings(), redis=server.address), writes, tweets))


async def _measure(settings: Settings, writes: Sequence[ViewUpdates], tweets: int) -> None:
    redis = connect(settings)
    try:
        await write_view(redis, settings, writes[0])  # the script is loaded once
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
    """(calls by command, their time in microseconds: the script's, which holds that of what it calls)."""
    stats = await redis.client.info("commandstats")
    stats = {name.removeprefix("cmdstat_"): row for name, row in stats.items()}
    calls = {name: row["calls"] for name, row in stats.items() if name not in ("info", "config|resetstat")}
    return calls, stats["evalsha"]["usec"]

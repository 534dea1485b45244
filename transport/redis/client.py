"""`transport.ports.redis.Redis` on a real server, through redis-py."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

from redis.asyncio import Redis as AsyncRedis

from contracts.settings import Settings
from transport.ports.redis import VERSION_BYTES, ListedValues
from transport.redis.errors import unavailable_as_such
from transport.redis.scripts import PUT_LISTED, SET_IF_NEWER


class RedisClient:
    """The port over one connection pool. `client` is redis-py's own, for tests and benchmarks to inspect."""

    def __init__(self, settings: Settings, client: AsyncRedis) -> None:
        self.client = client
        self._settings = settings
        self._set_if_newer = client.register_script(SET_IF_NEWER)
        self._put_listed = client.register_script(PUT_LISTED)

    async def mget(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """One MGET."""
        if not keys:
            return []
        with unavailable_as_such(self._settings):
            return cast("list[bytes | None]", await self.client.mget(keys))

    async def newest(self, list_keys: Sequence[bytes], most: int) -> list[tuple[bytes, float]]:
        """A pipeline of ZREVRANGE."""
        with unavailable_as_such(self._settings):
            async with self.client.pipeline(transaction=False) as pipeline:
                for key in list_keys:
                    pipeline.zrevrange(key, 0, most - 1, withscores=True)
                return [entry for entries in await pipeline.execute() for entry in entries]

    async def set_if_newer(
        self, keys: Sequence[bytes], values: Sequence[bytes], ttl_s: int, position: tuple[bytes, int] | None
    ) -> int:
        """One script."""
        if len(keys) != len(values):
            raise ValueError(f"{len(keys)} keys, but {len(values)} values")
        if values and min(map(len, values)) < VERSION_BYTES:
            raise ValueError(f"a value is shorter than the {VERSION_BYTES} bytes of its version")
        named: list[bytes] = list(keys)
        arguments: list[bytes | int] = [ttl_s, 0, *values]
        if position is not None:
            named, arguments = [*keys, position[0]], [ttl_s, 1, *values, position[1]]
        with unavailable_as_such(self._settings):
            return int(await self._set_if_newer(named, arguments))

    async def put_listed(self, writes: Sequence[ListedValues], ttl_s: int, most: int) -> None:
        """One script call for each write, pipelined. First makes sure that Redis has the script."""
        with unavailable_as_such(self._settings):
            async with self.client.pipeline(transaction=False) as pipeline:
                for write in writes:
                    entries = chain.from_iterable(write.listed)
                    arguments: list[Any] = [ttl_s, most, len(write.listed), *entries, *write.values]
                    await self._put_listed([write.list_key, *write.keys], arguments, client=pipeline)
                await pipeline.execute()

    async def scan(self, pattern: bytes, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """One SCAN."""
        with unavailable_as_such(self._settings):
            following, keys = await self.client.scan(cursor, match=pattern, count=count)
        return int(following), cast("list[bytes]", keys)

    async def eviction(self) -> str:
        """One INFO."""
        with unavailable_as_such(self._settings):
            found = await self.client.info("memory")
        policy = str(found["maxmemory_policy"])
        return "" if policy == "noeviction" or not int(found["maxmemory"]) else policy

    async def replace(self, removed: bytes, key: bytes, value: bytes) -> None:
        """One transaction."""
        with unavailable_as_such(self._settings):
            async with self.client.pipeline(transaction=True) as both:
                both.delete(removed)
                both.set(key, value)
                await both.execute()

    async def delete(self, key: bytes) -> None:
        """One DEL."""
        with unavailable_as_such(self._settings):
            await self.client.delete(key)

    async def claim(self, key: bytes, value: bytes) -> bytes:
        """One SET."""
        with unavailable_as_such(self._settings):
            held = await self.client.set(key, value, nx=True, get=True)
        return value if held is None else cast("bytes", held)

    async def aclose(self) -> None:
        """Close the pool."""
        await self.client.aclose()

"""Writes that change only what they are newer than: order, repeats and batches of arrival make no difference."""

import asyncio
import contextlib
import random
import struct
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from contracts.settings import Settings
from transport.ports.redis import ListedValues
from transport.redis import connection as redis_connection
from transport.redis.client import RedisClient

VERSIONS = st.one_of(st.integers(0, 5), st.integers(2**53 - 2, 2**53 + 2), st.integers(2**63 - 2, 2**64 - 1))
LOCALE_TRAPS = (b"", b"\x00", b"\xff", b"\xc3\xa9", b"z")


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[RedisClient]:
    client = redis_connection.connect(settings)
    yield client
    await client.aclose()


def value_of(version: int, content: bytes = b"") -> bytes:
    return struct.pack(">Q", version) + content


@given_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    writes=st.lists(st.tuples(st.integers(0, 3), VERSIONS), max_size=30),
    seed=st.integers(0, 2**32),
    batch=st.integers(1, 8),
)
def test_any_order_and_any_batches_leave_the_newest_of_each_key(
    settings: Settings, writes: list[tuple[int, int]], seed: int, batch: int
) -> None:
    async def run() -> None:
        prefix = settings.prefix.encode() + b"%d-" % random.Random(repr((writes, seed, batch))).getrandbits(64)
        shuffled = writes + writes[: len(writes) // 2]
        random.Random(seed).shuffle(shuffled)
        async with contextlib.aclosing(redis_connection.connect(settings)) as client:
            for start in range(0, len(shuffled), batch):
                part = shuffled[start : start + batch]
                keys = [prefix + b"%d" % key for key, _ in part]
                values = [value_of(version, LOCALE_TRAPS[version % 5]) for _, version in part]
                await client.set_if_newer(keys, values, 60, (prefix + b"position", start))
            found = await client.mget([prefix + b"%d" % key for key in range(4)])
        newest = [max((version for written, version in writes if written == key), default=None) for key in range(4)]
        assert found == [None if v is None else value_of(v, LOCALE_TRAPS[v % 5]) for v in newest]

    asyncio.run(run())


async def test_only_what_is_written_lives_longer(redis: RedisClient, settings: Settings) -> None:
    old, new = (settings.prefix + name for name in ("old", "new"))
    keys = [old.encode(), new.encode()]
    assert await redis.set_if_newer(keys, [value_of(7), value_of(7)], 100, None) == 2
    assert await redis.set_if_newer(keys, [value_of(7), value_of(8)], 5_000, None) == 1
    assert 0 < await redis.client.ttl(old) <= 100 < await redis.client.ttl(new) <= 5_000


async def test_the_position_moves_forward_only_and_has_no_end(redis: RedisClient, settings: Settings) -> None:
    key = (settings.prefix + "position").encode()
    for position, expected in ((9, b"9"), (10, b"10"), (9, b"10"), (2**52, b"%d" % 2**52)):
        assert await redis.set_if_newer([], [], 10, (key, position)) == 0
        assert await redis.client.get(key) == expected
    assert await redis.client.ttl(key) == -1


async def test_thousands_of_keys_go_in_one_call_even_to_a_server_that_forgot_the_script(
    redis: RedisClient, settings: Settings
) -> None:
    await redis.client.script_flush()
    keys = [f"{settings.prefix}{number}".encode() for number in range(2_500)]
    assert await redis.set_if_newer(keys, [value_of(1)] * 2_500, 60, None) == 2_500
    assert await redis.set_if_newer(keys, [value_of(1 + (n % 5 == 0)) for n in range(2_500)], 60, None) == 500
    assert await redis.mget(keys[:2]) == [value_of(2), value_of(1)]


async def test_a_value_without_a_version_is_refused(redis: RedisClient) -> None:
    with pytest.raises(ValueError, match="version"):
        await redis.set_if_newer([b"key"], [b"short"], 60, None)
    with pytest.raises(ValueError, match="1 keys, but 2 values"):
        await redis.set_if_newer([b"key"], [value_of(1)] * 2, 60, None)


async def test_any_order_of_calls_ends_in_the_same_list_of_the_newest(redis: RedisClient, settings: Settings) -> None:
    lists = [f"{settings.prefix}{{{number}}}".encode() for number in range(3)]
    entries = [(score, b"%d" % member) for score, member in ((5, 1), (9, 2), (7, 3), (7, 4), (1, 5))]
    for key, order in zip(lists, (entries, entries[::-1]), strict=False):
        for score, member in order:
            await redis.put_listed([ListedValues(key, [(score, member)], [key + member], [b"of " + member])], 100, 3)
    expected = [(b"2", 9.0), (b"4", 7.0), (b"3", 7.0)]
    assert await redis.newest([lists[1], lists[2], lists[0]], 3) == expected * 2
    assert await redis.newest(lists[:1], 2) == expected[:2]
    assert await redis.mget([lists[0] + b"5", lists[0] + b"6"]) == [b"of 5", None]
    assert {0 < await redis.client.ttl(key) <= 100 for key in (lists[0], lists[0] + b"5")} == {True}


async def test_a_key_takes_the_place_of_another(redis: RedisClient, settings: Settings) -> None:
    old, new = (f"{settings.prefix}{{0}}{name}".encode() for name in ("old", "new"))
    await redis.set_if_newer([old], [value_of(1)], 60, None)
    for _ in range(2):
        await redis.replace(old, new, b"there")
        assert await redis.mget([old, new]) == [None, b"there"]
    assert await redis.client.ttl(new) == -1

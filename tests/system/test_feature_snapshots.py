"""A wiped Redis gets all counters back, those too whose updates the log no longer holds."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import numpy as np
import pytest
from kafka import TopicPartition as PrefixedPartition
from msgspec.structs import replace

from contracts.codec import serialize
from contracts.records import ACTIONS, ENGAGED
from contracts.settings import Settings
from contracts.topics import FEATURE_STATE, FEATURE_UPDATES
from driftline.operations.reset_offsets import reset
from featurestore.store import writer as store_writer
from featurestore.store.counters import aggregate_engagements, route
from streams import feature_snapshots
from streams.feature_processor import FeatureProcessor
from streams.feature_snapshots import NEWEST, Snapshot, find_snapshots
from tests.support.installation import PARTITIONS
from tests.support.transport_hops import eventually
from transport.hop.hop import ExactlyOnceHop
from transport.installation import install
from transport.kafka import admin as kafka_admin
from transport.kafka.clients import admin
from transport.kafka.cluster import KafkaCluster
from transport.kafka.state_log import read_latest
from transport.kafka.writer import KafkaWriter
from transport.redis.client import RedisClient
from transport.redis.connection import connect

HOP = "features"
NOW = 1_760_000_000_000


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots follow each other at once, in small steps."""
    monkeypatch.setattr(feature_snapshots, "SNAPSHOT_EVERY_MS", 0)
    monkeypatch.setattr(feature_snapshots, "CHUNK_VALUES", 20)
    monkeypatch.setattr(store_writer, "SCANNED_KEYS", 100)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """In a database of their own: a snapshot passes over all keys of its database."""
    return replace(settings, redis=urlsplit(settings.redis)._replace(path="/7").geturl())


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[RedisClient]:
    async with contextlib.aclosing(connect(settings)) as client:
        yield client
        await wipe(client, settings)


async def held(redis: RedisClient, settings: Settings) -> dict[bytes, bytes | None]:
    """Every value of the installation; of `epoch`, `base` and `position` too."""
    found = [key async for key in redis.client.scan_iter(match=f"{settings.prefix}*")]
    keys = sorted(key for key in found if b"whole-" not in key)  # marks come a moment later
    return dict(zip(keys, await redis.mget(keys), strict=True))


async def wipe(redis: RedisClient, settings: Settings) -> None:
    keys = [key async for key in redis.client.scan_iter(match=f"{settings.prefix}*")]
    if keys:
        await redis.client.delete(*keys)


async def engage(settings: Settings, frames: int, seed: int) -> None:
    """Write frames of likes and retweets of a few viewers."""
    rng = np.random.default_rng(seed)
    async with KafkaWriter(settings) as writer:
        for _ in range(frames):
            updates = aggregate_engagements(
                rng.integers(0, 30, 8).astype(np.uint64),
                rng.integers(100, 160, 8).astype(np.uint64),
                rng.integers(0, 12, 8).astype(np.uint64),
                np.array([ACTIONS.index(ENGAGED[i]) for i in rng.integers(0, 2, 8)], np.uint8),
                NOW + rng.integers(0, 10**7, 8),
                settings.features.pane_ms,
            )
            for owner, frame in route(updates, PARTITIONS):
                await writer.send(FEATURE_UPDATES, None, serialize(frame), owner)


@contextlib.asynccontextmanager
async def working(settings: Settings, redis: RedisClient) -> AsyncIterator[None]:
    """The hop of the owners, killed at the end of the block."""
    kafka = KafkaCluster(settings)
    hop = ExactlyOnceHop(
        kafka, HOP, [FEATURE_UPDATES], lambda p: FeatureProcessor(settings, kafka, p, redis),
        partitions=PARTITIONS, max_records=4, linger_ms=0,
    )  # fmt: skip
    running = asyncio.create_task(hop.run())
    try:
        yield
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def caught_up(settings: Settings, left: int = 0) -> None:
    async def reached() -> bool:
        lags = await asyncio.to_thread(kafka_admin.lags, settings, {HOP: [FEATURE_UPDATES]})
        return lags[HOP] <= left

    await eventually(reached, f"{left} updates are left")


async def snapshots(settings: Settings) -> dict[int, Snapshot]:
    kafka = KafkaCluster(settings)
    found = {partition: await find_snapshots(kafka, partition) for partition in range(PARTITIONS)}
    return {partition: of.newest for partition, of in found.items() if of.newest is not None}


def let_go(settings: Settings, before: dict[int, int]) -> None:
    """Delete the updates before these offsets, as retention does."""
    topic = settings.prefix + FEATURE_UPDATES.name
    with admin(settings) as client:
        client.delete_records({PrefixedPartition(topic, partition): at for partition, at in before.items()})


@pytest.mark.timeout(300)
async def test_a_wiped_redis_gets_back_what_the_log_no_longer_holds(settings: Settings, redis: RedisClient) -> None:
    install(settings)
    await engage(settings, 200, seed=1)
    rng = random.Random(1)
    for left in (500, 300, 100, 0):  # killed on the way, with a snapshot begun
        async with working(settings, redis):
            await caught_up(settings, left + rng.randrange(20) * (left > 0))
    expected = await held(redis, settings)
    taken = await snapshots(settings)
    assert len(taken) == PARTITIONS
    assert min(snapshot.chunks for snapshot in taken.values()) > 1

    let_go(settings, {partition: snapshot.begin for partition, snapshot in taken.items()})
    await wipe(redis, settings)
    async with working(settings, redis):
        await eventually(lambda: equal(redis, settings, expected), "Redis holds what it held")
        await wipe(redis, settings)  # under a worker that has nothing to read
        await eventually(lambda: equal(redis, settings, expected), "Redis holds what it held")
        await engage(settings, 40, seed=2)
        await caught_up(settings)
    more = await held(redis, settings)
    assert more != expected

    behind = await snapshots(settings)
    assert all(behind[partition].number > of.number for partition, of in taken.items())
    let_go(settings, {partition: snapshot.begin for partition, snapshot in behind.items()})
    await wipe(redis, settings)
    await redis.client.mset({key: value for key, value in expected.items() if value is not None})
    async with working(settings, redis):  # a backup from before, of which the log knows nothing any more
        await eventually(lambda: equal(redis, settings, more), "Redis holds what it held")


async def equal(redis: RedisClient, settings: Settings, expected: dict[bytes, bytes | None]) -> bool:
    return await held(redis, settings) == expected


@pytest.mark.timeout(300)
async def test_the_topic_holds_the_newest_snapshot_alone(settings: Settings, redis: RedisClient) -> None:
    install(settings)
    await engage(settings, 100, seed=3)
    for left in (250, 120, 0):
        async with working(settings, redis):
            await caught_up(settings, left)
    for partition, snapshot in (await snapshots(settings)).items():
        assert snapshot.number > 1
        keys = set(await read_latest(KafkaCluster(settings), FEATURE_STATE, partition)) - {NEWEST}
        mine = {b"%d.%d" % (snapshot.number, chunk) for chunk in range(snapshot.chunks)}
        assert mine <= keys
        others = {int(key.split(b".")[0]) for key in keys - mine}
        assert len(others) <= 1, "one may be begun"
        assert all(number > snapshot.number for number in others)


@pytest.mark.timeout(300)
async def test_a_log_that_does_not_reach_back_to_the_snapshot_stops_the_partition(
    settings: Settings, redis: RedisClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(settings)
    await engage(settings, 60, seed=4)
    async with working(settings, redis):
        await caught_up(settings)
    expected = await held(redis, settings)
    monkeypatch.setattr(feature_snapshots, "SNAPSHOT_EVERY_MS", 10**12)
    await engage(settings, 10, seed=5)
    async with working(settings, redis):
        await caught_up(settings)
    ends = await asyncio.to_thread(kafka_admin.topic_offsets, settings, [FEATURE_UPDATES])
    let_go(settings, {partition: offsets.end for partition, offsets in ends[FEATURE_UPDATES.name].items()})
    await wipe(redis, settings)
    with caplog.at_level(logging.ERROR):
        async with working(settings, redis):
            await eventually(lambda: says(caplog, "driftline offsets reset features"), "the hop says what to do")
    # A person decides that what is missing is to be missing.
    await asyncio.to_thread(reset, settings, HOP, None, None, write=True)
    async with working(settings, redis):
        await engage(settings, 5, seed=6)
        await caught_up(settings)
    kept = expected.keys() & (await held(redis, settings)).keys()
    assert len(kept) > 0.8 * len(expected)


async def says(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return sum(words in record.getMessage() for record in caplog.records) >= PARTITIONS


@pytest.mark.timeout(300)
async def test_counters_go_on_where_the_log_was_made_anew_and_redis_wiped(
    settings: Settings, redis: RedisClient
) -> None:
    install(settings)
    await engage(settings, 60, seed=7)
    async with working(settings, redis):
        await caught_up(settings)
    taken = await snapshots(settings)
    await asyncio.to_thread(kafka_admin.delete, settings, [FEATURE_UPDATES])
    await asyncio.to_thread(install, settings)
    await asyncio.to_thread(reset, settings, HOP, None, None, write=True)
    await wipe(redis, settings)
    async with working(settings, redis):
        await engage(settings, 30, seed=8)
        await caught_up(settings)
    expected = await held(redis, settings)
    for partition, snapshot in taken.items():
        base = await redis.client.get(f"{settings.prefix}f:{{{partition}}}:base")
        assert int(base or 0) == snapshot.end, "new versions are above all old ones"
    newer = await snapshots(settings)
    assert all(snapshot.base == taken[partition].end for partition, snapshot in newer.items())
    await wipe(redis, settings)
    async with working(settings, redis):
        await eventually(lambda: equal(redis, settings, expected), "Redis holds what it held")

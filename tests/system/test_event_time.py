"""Declarations and live ticks on a real broker."""

import asyncio
import random
import time

import msgspec

from contracts.codec import serialize
from contracts.partitioning import record_key
from contracts.records import TimeMode
from contracts.settings import HopSettings, Settings, TimeSettings
from contracts.topics import (
    CANDIDATES_SERVED,
    ENGAGEMENTS,
    EVENT_TIME,
    TIMELINE_REQUESTS,
    TWEETS,
    VOCAB_DELTAS,
    Topic,
)
from driftline.inspect import event_time
from driftline.inspect.logs import LogReader
from eventtime.declarations import DECLARATION_KEY, DECLARED_ON, read_declaration
from eventtime.ticks import TICK_KEY, read_tick
from streams.live_ticks import open_live_ticks
from tests.support.installation import PARTITIONS
from tests.support.pipeline_runs import make_tweets, read_all, worker
from transport.declare_time import declare_time, newest_declaration
from transport.installation import install
from transport.kafka.cluster import KafkaCluster
from transport.kafka.writer import KafkaWriter

TICKED = (TWEETS, ENGAGEMENTS, TIMELINE_REQUESTS)


async def test_every_declaration_reaches_every_partition_with_a_higher_epoch(settings: Settings) -> None:
    install(settings)
    kafka = KafkaCluster(settings)
    assert await newest_declaration(kafka) is None
    first = await declare_time(settings, kafka, TimeMode.REPLAY, "first")
    second = await declare_time(settings, kafka, TimeMode.LIVE, "second")
    assert (first.epoch, second.epoch) == (1, 2)
    assert await newest_declaration(kafka) == second
    for topic in (*DECLARED_ON, EVENT_TIME):
        records = await asyncio.to_thread(read_all, settings, topic)
        read = [(record.partition, read_declaration(record.value)) for record in records]
        by_partition = sorted(read, key=lambda entry: entry[0])
        expected = [(number, each) for number in range(topic.partitions(settings)) for each in (first, second)]
        assert by_partition == expected
        assert {record.key for record in records} == {DECLARATION_KEY}


def ticks_by_partition(settings: Settings) -> dict[tuple[str, int], int]:
    """(topic, partition) -> number of ticks."""
    found: dict[tuple[str, int], int] = {}
    for topic in (*TICKED, CANDIDATES_SERVED):
        for record in read_all(settings, topic):
            if record.key == TICK_KEY:
                assert abs(read_tick(record.value).tick_ms - record.timestamp) < 60_000
                found[topic.name, record.partition] = found.get((topic.name, record.partition), 0) + 1
    return found


def declare(settings: Settings, mode: TimeMode) -> None:
    """Declare, and wait until readers get it on every topic: markers of a commit may come a moment after it."""
    declared = asyncio.run(declare_time(settings, KafkaCluster(settings), mode, "test"))

    def arrived(topic: Topic) -> bool:
        values = [record.value for record in read_all(settings, topic) if record.key == DECLARATION_KEY]
        return sum(read_declaration(value) == declared for value in values) == topic.partitions(settings)

    while not all(arrived(topic) for topic in (*DECLARED_ON, EVENT_TIME)):
        time.sleep(0.05)


def test_idle_partitions_are_ticked_until_a_replay_is_declared(settings: Settings) -> None:
    install(settings)
    kafka = KafkaCluster(settings)
    tweet = make_tweets(1, random.Random(1))[0]

    async def send() -> None:
        async with KafkaWriter(settings) as writer:
            await writer.send(TWEETS, record_key(tweet.id), serialize(tweet), partition=2)

    with open_live_ticks(settings, kafka) as ticks:
        assert ticks.write() == 0, "what is idle shows at the second look"
        every = sum(topic.partitions(settings) for topic in (*TICKED, CANDIDATES_SERVED))
        assert ticks.write() == every, "there never was a scorer"
        asyncio.run(send())
        assert ticks.write() == every - 1
        assert ticks.write() == every, "its own ticks are no events"
        declare(settings, TimeMode.REPLAY)
        assert [ticks.write() for _ in range(3)] == [0] * 3
        declare(settings, TimeMode.LIVE)
        # The declaration itself came in on all partitions but those of requests, which have no clock.
        assert [ticks.write(), ticks.write()] == [PARTITIONS, every]
    assert ticks_by_partition(settings)[TWEETS.name, 2] == 3


def test_workers_close_windows_that_only_idle_partitions_hold_back(settings: Settings, tmp_path) -> None:
    live = msgspec.structs.replace(
        settings, time=TimeSettings(window_ms=1_000, lateness_ms=1_000), hop=HopSettings(session_timeout_ms=6_000)
    )
    install(live)
    now = time.time_ns() // 1_000_000
    tweets = [msgspec.structs.replace(each, created_ms=now) for each in make_tweets(20, random.Random(1))]

    async def send() -> None:
        async with KafkaWriter(live) as writer:
            for tweet in tweets:
                await writer.send(TWEETS, record_key(tweet.id), serialize(tweet), partition=0)

    asyncio.run(send())
    with worker(live, tmp_path / "first.log") as first, worker(live, tmp_path / "second.log") as second:
        first.wait_until(lambda: len(read_all(live, VOCAB_DELTAS)) > 0)
        first.wait_until(lambda: second.ready())
        first.terminate()
        seen = len(read_all(live, TWEETS))
        second.wait_until(lambda: len(read_all(live, TWEETS)) > seen)
        second.terminate()
    with LogReader.connected(live) as logs:
        newest = event_time.newest_events(logs)
    assert [(event.topic, event.partition, event.at_ms) for event in newest] == [(TWEETS.name, 0, now)]

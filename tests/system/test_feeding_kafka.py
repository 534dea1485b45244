"""The closed loop on a real Kafka: a whole simulation and a whole replay, with a scorer that echoes candidates."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from kafka import TopicPartition

import driftline.feeding.replay
from contracts.codec import Codec, serialize
from contracts.partitioning import record_key
from contracts.records import DeadLetter, RankedTimeline, Tick, TimelineRequest, Tweet
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import ENGAGEMENTS, TIMELINE_REQUESTS, TIMELINES_RANKED, TWEETS, Topic, dead_letters
from driftline.feeding.loop import FeedConfig, Progress, feed
from driftline.feeding.replay import replay
from eventtime.declarations import CLOCK_KEYS
from eventtime.ticks import TICK_KEY
from simulation.config import HOUR_MS
from simulation.world import World
from sources import open_source
from tests.support.simulation_worlds import SMALL, answer
from transport.installation import install
from transport.kafka.clients import consumer
from transport.kafka.writer import KafkaWriter

_ticks = Codec(Tick)


class EchoScorer:
    """Answers every request on Kafka with its own candidates, until cancelled."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def run(self) -> None:
        reading = await asyncio.to_thread(consumer, self._settings, [TIMELINE_REQUESTS])
        try:
            async with KafkaWriter(self._settings) as writer:
                while True:
                    polled = await asyncio.to_thread(reading.poll, timeout_ms=100)
                    for record in (record for records in polled.values() for record in records):
                        if record.key != TICK_KEY:
                            ask = Codec(TimelineRequest).deserialize(record.value)
                            timeline: RankedTimeline = answer(ask)
                            await writer.send(TIMELINES_RANKED, record_key(ask.viewer_id), serialize(timeline))
        finally:
            await asyncio.to_thread(reading.close)


def read_all(settings: Settings, topic: Topic) -> list[tuple[int, bytes | None, bytes]]:
    """(partition, key, value) of every record of a topic."""
    with contextlib.closing(consumer(settings, [topic])) as reading:
        while not reading.assignment():
            reading.poll(timeout_ms=100)
        ends = reading.end_offsets(list(reading.assignment()))
        found: list[tuple[int, bytes | None, bytes]] = []
        reading.seek_to_beginning()
        while any(reading.position(TopicPartition(p.topic, p.partition)) < end for p, end in ends.items()):
            for records in reading.poll(timeout_ms=100).values():
                found += [(record.partition, record.key, record.value) for record in records]
        return found


async def feed_with_scorer(settings: Settings, feeding: object) -> object:
    scoring = asyncio.create_task(EchoScorer(settings).run())
    try:
        return await feeding  # type: ignore[misc]
    finally:
        scoring.cancel()
        await asyncio.gather(scoring, return_exceptions=True)


async def test_simulated_world_on_kafka_is_answered_and_reacts(settings: Settings) -> None:
    await asyncio.to_thread(install, settings)
    world = World(SMALL, seed=1)
    config = FeedConfig(end_ms=world.begin_ms + HOUR_MS // 2)
    async with KafkaWriter(settings) as writer:
        feeding = feed(settings, writer, world, config, lambda _: None, asyncio.Event())
        progress = await feed_with_scorer(settings, feeding)
    assert isinstance(progress, Progress)
    assert (progress.given_up, progress.answered) == (0, progress.requests)
    for topic, count in (
        (TWEETS, progress.tweets), (TIMELINE_REQUESTS, progress.requests), (ENGAGEMENTS, progress.engagements),
    ):  # fmt: skip
        records = await asyncio.to_thread(read_all, settings, topic)
        assert sum(key not in CLOCK_KEYS for _, key, _ in records) == count > 100
        last = {partition: _ticks.deserialize(value).tick_ms for partition, key, value in records if key == TICK_KEY}
        assert last == dict.fromkeys(range(topic.partitions(settings)), progress.final_ms)


@contextlib.asynccontextmanager
async def no_ingest(settings: Settings) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Stands for `following_ingest` where no worker runs."""

    async def behind() -> int:
        return 0

    yield behind


async def test_replayed_file_goes_out_in_order_and_bad_rows_become_dead_letters(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driftline.feeding.replay, "following_ingest", no_ingest)
    await asyncio.to_thread(install, settings)
    rows = [
        json.dumps({
            "id": i, "created_ms": 1_500_000_000_000 + (i * 7919 % 2_000) * 1_000, "author_id": i % 9, "author": "a",
            "text": f"t{i} #tag{i % 5}", "public_counts": {"likes": i % 100},
        })
        for i in range(2_000)
    ]  # fmt: skip
    rows[500:500] = ["{broken", json.dumps({"id": 2**70, "author_id": 1, "text": "x", "created_at": "2020-01-01"})]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(rows))
    reading, progress = await feed_with_scorer(  # type: ignore[misc]
        settings,
        replay(
            open_source(path), settings, FeedConfig(), viewers=20, seed=1, limit=None,
            on_reading=lambda _: None, on_progress=lambda _: None, stopping=asyncio.Event(),
        ),
    )  # fmt: skip
    assert reading.counts == {"tweets": 2_000, "malformed": 1, "bad_id": 1}
    assert progress.tweets == 2_000
    assert progress.answered == progress.requests > 10
    letters = [
        Codec(DeadLetter).deserialize(value)
        for _, _, value in await asyncio.to_thread(read_all, settings, dead_letters(TWEETS))
    ]
    assert sorted((letter.reason, letter.topic, letter.offset) for letter in letters) == [
        ("bad_id", "file:own.jsonl", 502),
        ("malformed", "file:own.jsonl", 501),
    ]
    by_partition: dict[int, list[int]] = defaultdict(list)
    for partition, key, value in await asyncio.to_thread(read_all, settings, TWEETS):
        if key not in CLOCK_KEYS:
            by_partition[partition].append(Codec(Tweet).deserialize(value).created_ms)
    assert all(times == sorted(times) for times in by_partition.values())
    assert sum(map(len, by_partition.values())) == 2_000


def test_a_file_of_which_nothing_is_a_tweet_ends_with_the_first_reasons(settings: Settings, tmp_path: Path) -> None:
    install(settings)
    path = tmp_path / "users.jsonl"
    path.write_text('{"id": "1", "name": "a"}\n' * 5)
    called = [sys.executable, "-m", "driftline", "replay", str(path)]
    done = subprocess.run(called, env=os.environ | to_environ(settings), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "users.jsonl: of 5 rows none is a tweet. The first:\n  row 1 of users.jsonl: not_a_tweet: " in done.stderr
    assert "`driftline dead-letters list --topic tweets`" in done.stderr
    assert "1970" not in done.stdout + done.stderr
    assert len(read_all(settings, dead_letters(TWEETS))) == 5

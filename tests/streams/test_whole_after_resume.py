"""A processor is whole after `resume` and `replay`: what it commits and sends then does not wait for a batch."""

import random
from collections.abc import Callable, Sequence

import pytest

from contracts.codec import serialize
from contracts.records import SETTINGS_KEY, Action, Engagement, Tick, Tweet
from contracts.settings import FeatureSettings, JoinSettings, Settings, TimeSettings
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, TWEETS, Topic
from eventtime.ticks import TICK_KEY
from streams.engagement_processor import EngagementProcessor
from streams.ingest_processor import IngestProcessor
from streams.join_processor import JoinProcessor
from tests.support.installation import PARTITIONS
from tests.support.join_runs import BEGIN, served
from tests.support.no_redis import NoRedis
from tests.support.pipeline_runs import record_of
from tests.support.positions import begun
from tests.support.vocab_changes import BEGINNING, LATER
from transport.ports.kafka_records import LogRecord
from transport.processor import Output, Position, Processor
from vocab.rules import configured

START_MS = BEGIN
SETTINGS = Settings(
    partitions=PARTITIONS,
    time=TimeSettings(window_ms=1_000, lateness_ms=1_000),
    features=FeatureSettings(duplicate_horizon=20),
    join=JoinSettings(label_window_ms=3_000),
    vocab=BEGINNING,
)


def tweets(count: int) -> list[LogRecord]:
    records = [
        Tweet(id=i + 1, created_ms=START_MS + 300 * i, author_id=i % 7, author="a", text=f"word{i % 9} #tag{i % 4}")
        for i in range(count)
    ]
    return [record_of(TWEETS, offset, serialize(record)) for offset, record in enumerate(records)]


def engagements(count: int) -> list[LogRecord]:
    records = [
        Engagement(
            viewer_id=i % 5, tweet_id=i % 3, author_id=1, action=Action.LIKE, at_ms=START_MS + 300 * i,
            request_id=f"r{i // 10}",
        )
        for i in range(count)
    ]  # fmt: skip
    return [record_of(ENGAGEMENTS, offset, serialize(record)) for offset, record in enumerate(records)]


def requests(count: int) -> list[LogRecord]:
    records = [served(f"r{i}", 3_000 * i, range(3), viewer=i % 5) for i in range(count)]
    return [record_of(CANDIDATES_SERVED, offset, serialize(record)) for offset, record in enumerate(records)]


LOGS: dict[str, tuple[Callable[[], Processor], dict[Topic, list[LogRecord]]]] = {
    "ingest": (lambda: IngestProcessor(SETTINGS, None, 0, NoRedis()), {TWEETS: tweets(200)}),
    "engagements": (lambda: EngagementProcessor(SETTINGS, 0), {ENGAGEMENTS: engagements(200)}),
    "join": (lambda: JoinProcessor(SETTINGS, 0), {CANDIDATES_SERVED: requests(20), ENGAGEMENTS: engagements(200)}),
}


async def resumed(make: Callable[[], Processor], logs: dict[Topic, list[LogRecord]], metadata: str) -> Processor:
    """One that goes on from a commit at the end of the logs."""
    processor = make()
    again = await processor.resume({topic.name: Position(len(log), metadata) for topic, log in logs.items()})
    for topic, log in logs.items():
        if topic.name in again:
            await processor.replay(log[again[topic.name] :])
    return processor


@pytest.mark.parametrize("name", LOGS)
async def test_a_commit_without_records_says_what_the_commit_before_said(name: str) -> None:
    make, logs = LOGS[name]
    processor = make()
    rng = random.Random(name)
    for cut in sorted(rng.sample(range(10, 190), 5)):
        parts = {topic: log[: len(log) * cut // 200] for topic, log in logs.items()}
        processor = make()
        await processor.resume(begun(processor, logs))
        await processor.process([record for log in parts.values() for record in log])
        committed = processor.metadata()
        assert (await resumed(make, parts, committed)).metadata() == committed


async def test_a_join_with_nothing_left_to_re_read_keeps_its_clocks() -> None:
    make, logs = LOGS["join"]
    tick = serialize(Tick(tick_ms=START_MS + 3_600_000))
    parts = {topic: [*log, record_of(topic, len(log), tick, TICK_KEY)] for topic, log in logs.items()}
    processor = make()
    await processor.resume(begun(processor, logs))
    await processor.process([record for log in parts.values() for record in log])
    committed = processor.metadata()
    assert str(START_MS + 3_600_000) in committed
    again = make()
    assert await again.resume({topic.name: Position(len(log), committed) for topic, log in parts.items()}) == {}
    assert again.metadata() == committed


async def test_settings_at_the_head_of_a_batch_are_due_when_they_are_without_a_restart() -> None:
    make, logs = LOGS["ingest"]
    log = logs[TWEETS]
    settings = record_of(TWEETS, len(log), serialize(configured(LATER)), SETTINGS_KEY)
    calm = make()
    await calm.resume(begun(calm, [TWEETS]))
    await calm.process(log)
    restarted = await resumed(make, {TWEETS: log}, calm.metadata())
    assert await calm.process([settings]) == await restarted.process([settings])


async def test_a_workers_settings_are_sent_once_whatever_the_first_commits_held() -> None:
    make, _ = LOGS["ingest"]
    tick = record_of(TWEETS, 1, serialize(Tick(tick_ms=START_MS)), TICK_KEY)

    def settings_in(outputs: Sequence[Output]) -> int:
        return len({output.value for output in outputs if output.key == SETTINGS_KEY})

    # A commit may come before any record: over an aborted transaction, or the marker of an empty one.
    first = make()
    await first.resume(begun(first, [TWEETS]))
    second = await resumed(make, {TWEETS: []}, first.metadata())
    assert settings_in(await second.process([record_of(TWEETS, 0, serialize(configured(LATER)), SETTINGS_KEY)])) == 2
    third = await resumed(make, {TWEETS: [tick]}, second.metadata())
    assert settings_in(await third.process([tick])) == 0

"""The join hop gives the same examples and letters whatever the batches and kills were, whoever's clock was wrong."""

import random
from dataclasses import dataclass, field

import msgspec
import pytest

from contracts.codec import Codec, serialize
from contracts.examples import deserialize_examples
from contracts.records import Action, DeadLetter, Engagement, TimeDeclared, TimeMode
from contracts.settings import JoinSettings, Settings, TimeSettings
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, EXAMPLES, Topic, dead_letters
from eventtime.declarations import DECLARATION_KEY
from eventtime.ticks import TICK_KEY, tick_value
from streams import join_processor
from streams.join_processor import JoinProcessor
from tests.support.installation import PARTITIONS
from tests.support.join_runs import BEGIN, served
from transport.ports.kafka_records import LogRecord
from transport.processor import MAX_METADATA_BYTES, Output, Position

SETTINGS = Settings(
    partitions=PARTITIONS,
    time=TimeSettings(window_ms=1_000, lateness_ms=1_000),
    join=JoinSettings(label_window_ms=3_000),
)
TOPICS = (CANDIDATES_SERVED, ENGAGEMENTS)


@dataclass
class Log:
    """One partition of a topic, appended to as a broker does."""

    topic: Topic
    records: list[LogRecord] = field(default_factory=list)

    def append(self, at: int, value: bytes, key: bytes = b"1") -> None:
        self.records.append(LogRecord(self.topic.name, 0, len(self.records), BEGIN + at, key, value))

    def tick(self, at: int, tick: int, epoch: int = 0) -> None:
        self.append(at, tick_value(BEGIN + tick, epoch), TICK_KEY)

    def declare(self, at: int, mode: TimeMode, epoch: int) -> None:
        self.append(at, serialize(TimeDeclared(mode=mode, epoch=epoch, writer="test")), DECLARATION_KEY)


def like(request: int, at: int, viewer: int = 1) -> bytes:
    return serialize(
        Engagement(
            viewer_id=viewer, tweet_id=0, author_id=1, action=Action.LIKE, at_ms=BEGIN + at, request_id=f"r{request}"
        )
    )


def request(number: int, at: int) -> bytes:
    return serialize(served(f"r{number}", at, range(3)))


def random_logs(rng: random.Random) -> dict[Topic, Log]:
    """Requests and their engagements, live and in replays, with wrong clocks, ticks and fenced declarations."""
    logs, epoch = {topic: Log(topic) for topic in TOPICS}, 0
    for i in range(rng.randrange(10, 60)):
        now = i * 700
        wrong = rng.choice([0, 0, 0, 0, 900, 1_100, 20_000, 10**9, -5_000])
        logs[CANDIDATES_SERVED].append(now, request(i, now + rng.choice([0, 0, 0, wrong])))
        for _ in range(rng.randrange(3)):
            reacted = now + rng.randrange(3_500)
            logs[ENGAGEMENTS].append(reacted, like(i - rng.randrange(2), reacted + wrong))
        if rng.random() < 0.1:
            epoch += rng.choice([0, 1, 1, 2])
            for log in logs.values():
                log.declare(now, rng.choice(list(TimeMode)), max(1, epoch))
        if rng.random() < 0.5:
            tick = now + rng.choice([0, 0, 0, -2_000, 10**8])
            rng.choice(list(logs.values())).tick(now, tick, rng.choice([0, epoch, epoch, max(0, epoch - 1)]))
    for log in logs.values():
        log.declare(10**6, TimeMode.LIVE, epoch + 2)
        log.tick(10**6, 10**6)
    return logs


def outcome(outputs: list[Output]) -> tuple[list[object], list[object]]:
    """(examples as (request, tweet, labels), dead letters as (topic, offset, reason)), sorted."""
    examples, letters = [], []
    for output in outputs:
        if output.topic == EXAMPLES.name:
            rows = deserialize_examples(output.value or b"")
            examples += zip(list(rows.request_ids), rows.tweet_ids.tolist(), rows.labels.tolist(), strict=True)
        elif output.topic in {dead_letters(topic).name for topic in TOPICS}:
            letter = Codec(DeadLetter).deserialize(output.value or b"")
            letters.append((letter.topic, letter.offset, letter.reason))
    return sorted(examples), sorted(letters)


async def joined(
    logs: dict[Topic, Log], rng: random.Random, kill: float, settings: Settings = SETTINGS
) -> tuple[list[object], list[object]]:
    """What comes out, if both logs are read in random batches and the process is killed after some commits.

    A topic that the processor pauses is not read.
    """
    outputs: list[Output] = []
    processor, offsets, metadata = JoinProcessor(settings, 0), dict.fromkeys(logs, 0), ""
    while any(offsets[topic] < len(log.records) for topic, log in logs.items()):
        paused = processor.paused()
        left = {t: [] if t.name in paused else log.records[offsets[t] :] for t, log in logs.items()}
        assert any(left.values()), f"{paused} is paused for ever: what it waits for is not in the other topic"
        batch = {topic: records[: rng.randrange(6)] for topic, records in left.items()}
        if not any(batch.values()):
            continue
        outputs += await processor.process([record for records in batch.values() for record in records])
        offsets = {topic: offsets[topic] + len(records) for topic, records in batch.items()}
        metadata = processor.metadata()
        assert len(metadata) < MAX_METADATA_BYTES
        if rng.random() < kill:
            processor = JoinProcessor(settings, 0)
            again = await processor.resume(
                {topic.name: Position(offset, metadata) for topic, offset in offsets.items()}
            )
            for topic, log in logs.items():
                if topic.name in again:
                    await processor.replay(log.records[again[topic.name] : offsets[topic]])
            assert processor.metadata() == metadata
    return outcome(outputs)


@pytest.mark.parametrize("seed", range(40))
async def test_neither_batches_nor_kills_change_what_is_joined(seed: int) -> None:
    rng = random.Random(seed)
    logs = random_logs(rng)
    calm = await joined(logs, rng, kill=0.0)
    assert calm[1], "some clocks are wrong"
    for kill in (0.1, 0.5, 1.0):
        assert await joined(logs, rng, kill) == calm


@pytest.mark.parametrize("seed", range(20))
async def test_a_topic_that_was_paused_is_read_on_and_pausing_changes_nothing(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    logs = random_logs(rng)
    expected = await joined(logs, rng, kill=0.0)
    monkeypatch.setattr(join_processor, "MAX_WAITING", 2)
    narrow = msgspec.structs.replace(SETTINGS, join=msgspec.structs.replace(SETTINGS.join, max_open_requests=2))
    for kill in (0.0, 0.5):
        assert await joined(logs, rng, kill, narrow) == expected


async def test_one_viewer_whose_clock_is_fast_makes_no_honest_engagement_late() -> None:
    logs = {topic: Log(topic) for topic in TOPICS}
    logs[ENGAGEMENTS].append(0, like(0, 20 * 60_000, viewer=9))
    for i in range(100):
        logs[CANDIDATES_SERVED].append(i * 100, request(i, i * 100))
        logs[ENGAGEMENTS].append(i * 100 + 500, like(i, i * 100 + 500))
    for log in logs.values():
        log.tick(60_000, 60_000)
    examples, letters = await joined(logs, random.Random(1), kill=0.1)
    assert [labels for _, _, labels in examples] == [2] * 100
    # The `engagements` hop reports the fast one; this hop passes it over.
    assert letters == []


async def test_a_client_that_walks_time_ahead_step_by_step_gets_nowhere() -> None:
    logs = {topic: Log(topic) for topic in TOPICS}
    for step in range(1, 200):
        logs[CANDIDATES_SERVED].append(0, request(step, step * 900))
        logs[ENGAGEMENTS].append(0, like(step, step * 900))
        logs[ENGAGEMENTS].tick(0, 10**9)
    processor = JoinProcessor(SETTINGS, 0)
    await processor.process([record for log in logs.values() for record in log.records])
    assert processor._served_clock.newest_ms == processor._engagements_clock.newest_ms == BEGIN

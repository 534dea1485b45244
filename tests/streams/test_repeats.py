"""Which events count is a function of their log alone: of no batch, and of no restart."""

import random

import pytest

from contracts.codec import Codec, serialize
from contracts.columnar import COUNTERS, VIEWER, FeatureUpdates
from contracts.records import Action, DeadLetter, Engagement
from contracts.settings import FeatureSettings, Settings, TimeSettings
from contracts.topics import ENGAGEMENTS, FEATURE_UPDATES
from eventtime.ticks import TICK_KEY, tick_value
from streams.engagement_processor import EngagementProcessor
from tests.support.installation import PARTITIONS
from transport.ports.kafka_records import LogRecord
from transport.processor import MAX_METADATA_BYTES, Position

START_MS = 1_760_000_000_000
LATENESS_MS = 1_000
SETTINGS = Settings(
    partitions=PARTITIONS,
    time=TimeSettings(window_ms=1_000, lateness_ms=LATENESS_MS),
    features=FeatureSettings(duplicate_horizon=40),
)


def engagement(viewer: int, at_ms: int) -> bytes:
    return serialize(
        Engagement(viewer_id=viewer, tweet_id=1, author_id=1, action=Action.LIKE, at_ms=START_MS + at_ms)
    )


def log_of(*values: tuple[bytes | None, int]) -> list[LogRecord]:
    """Events, each appended at a time after the start; None is a tick at that time."""
    return [
        LogRecord(ENGAGEMENTS.name, 0, offset, START_MS + appended, TICK_KEY if value is None else b"1",
                  tick_value(START_MS + appended) if value is None else value)
        for offset, (value, appended) in enumerate(values)
    ]  # fmt: skip


def random_log(rng: random.Random) -> list[LogRecord]:
    """Events that advance slowly, some with a fast clock, some sent again soon or late."""
    values: list[tuple[bytes | None, int]] = []
    for i in range(200):
        now = i * 300
        if values and rng.random() < 0.3:
            values.append((rng.choice(values[-60:])[0], now))
        elif rng.random() < 0.05:
            values.append((None, now))
        else:
            ahead = rng.choice([1, 2, 5, 20]) * LATENESS_MS if rng.random() < 0.3 else 0
            values.append((engagement(rng.randrange(5), now + ahead), now))
    return log_of(*values)


async def counted_and_refused(log, cuts, restarts) -> tuple[int, list[int]]:
    """(likes counted, offsets of dead letters) of a log read in batches that end at `cuts`."""
    processor, likes, refused, begin, metadata = EngagementProcessor(SETTINGS, 0), 0, [], 0, ""
    for end in [*cuts, len(log)]:
        if begin in restarts:
            processor = EngagementProcessor(SETTINGS, 0)
            again = await processor.resume({ENGAGEMENTS.name: Position(begin, metadata)})
            await processor.replay(log[again[ENGAGEMENTS.name] : begin])
        for output in await processor.process(log[begin:end]):
            if output.topic == FEATURE_UPDATES.name:
                frame = Codec(FeatureUpdates).deserialize(output.value)
                counts = frame.counts.reshape(-1, len(COUNTERS))
                likes += int(counts[frame.kinds == VIEWER, COUNTERS.index("like")].sum())
            else:
                refused.append(Codec(DeadLetter).deserialize(output.value).offset)
        begin, metadata = end, processor.metadata()
        assert len(metadata) < MAX_METADATA_BYTES
    return likes, refused


@pytest.mark.parametrize("seed", range(10))
async def test_neither_batches_nor_restarts_change_what_counts(seed):
    rng = random.Random(seed)
    log = random_log(rng)
    whole = await counted_and_refused(log, [], set())
    assert whole[0] > 0
    assert whole[1] != []
    cuts = sorted(rng.sample(range(1, len(log)), 20))
    assert await counted_and_refused(log, cuts, set()) == whole
    assert await counted_and_refused(log, cuts, set(cuts)) == whole


async def test_an_event_that_was_not_believed_counts_when_it_comes_again_in_its_time():
    later = 5 * LATENESS_MS
    ahead = [(engagement(viewer, later), 0) for viewer in (1, 2, 3)]
    log = log_of((engagement(1, 0), 0), *ahead, *[(value, later) for value, _ in ahead], *ahead[:1])
    likes, refused = await counted_and_refused(log, [], set())
    assert (likes, refused) == (4, [1, 2, 3, 7])

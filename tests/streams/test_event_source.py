"""What one input partition gives its hop, and what it says of it."""

import numpy as np
from prometheus_client import REGISTRY

from contracts.codec import Codec, serialize
from contracts.records import DeadLetter, TimeDeclared, TimeMode, Tweet
from contracts.settings import Settings, TimeSettings
from contracts.topics import TWEETS
from eventtime.declarations import DECLARATION_KEY, declaration_value
from eventtime.ticks import TICK_KEY, tick_value
from sources.decode_tweet import decode_tweet
from streams.event_batch import EventBatch
from streams.event_source import EventSource
from tests.support.installation import PARTITIONS
from transport.ports.kafka_records import LogRecord

START_MS = 1_700_000_000_000
SETTINGS = Settings(partitions=PARTITIONS, time=TimeSettings(window_ms=1_000, lateness_ms=2_000))


def times_of(tweets: list[Tweet]) -> np.ndarray:
    return np.array([t.created_ms for t in tweets], np.int64)


def identities_of(batch: EventBatch[Tweet]) -> list[int]:
    return [tweet.id for tweet in batch.events]


def records(*tweets: tuple[int, int], begin: int = 0) -> list[LogRecord]:
    return [
        LogRecord(TWEETS.name, 0, begin + i, START_MS + 60_000, b"1", serialize(tweet(number, after_ms)))
        for i, (number, after_ms) in enumerate(tweets)
    ]


def tweet(number: int, after_ms: int) -> Tweet:
    return Tweet(id=number, author_id=7, author="ann", created_ms=START_MS + after_ms, text="x")


def late() -> float:
    return REGISTRY.get_sample_value("driftline_late_events_total", {"topic": TWEETS.name}) or 0.0


def test_late_events_count_once_in_the_metric_and_in_the_next_open_window() -> None:
    source = EventSource(SETTINGS, TWEETS, decode_tweet, times_of, identities_of)
    before = late()
    source.take(records((1, 0), (2, 9_000)))
    _, windows, _ = source.take(records((3, 500), (4, 9_100), (3, 500), begin=2))
    assert windows.tolist() == [START_MS // 1_000 + 7, START_MS // 1_000 + 9]
    assert late() - before == 1


def test_what_is_only_re_read_is_not_counted_again() -> None:
    source = EventSource(SETTINGS, TWEETS, decode_tweet, times_of, identities_of)
    before = late()
    source.replay(records((1, 9_000), (2, 0)))
    assert late() == before


def details(source: EventSource[Tweet], read: list[LogRecord]) -> list[str]:
    """The details of the dead letters of a batch."""
    batch, _, _ = source.take(read)
    return [Codec(DeadLetter).deserialize(letter.value or b"").detail for letter in batch.letters]


def test_a_dead_letter_by_the_brokers_clock_says_both_times_the_setting_and_the_remedy() -> None:
    source = EventSource(SETTINGS, TWEETS, decode_tweet, times_of, identities_of)
    [detail] = details(source, records((1, 60_000 + 90_500)))
    assert "2023-11-14 22:15:50 UTC (1700000150500) is 90.5 s ahead of 2023-11-14 22:14:20 UTC" in detail
    assert "time.lateness_ms allows 2 s" in detail
    assert "Correct the producer's clock" in detail
    assert "`driftline dead-letters replay`" in detail


def test_a_dead_letter_by_a_replays_ticks_says_where_they_are_and_how_to_end_the_replay() -> None:
    source = EventSource(SETTINGS, TWEETS, decode_tweet, times_of, identities_of)
    declared = TimeDeclared(mode=TimeMode.REPLAY, epoch=3, writer="backfill")
    begin = LogRecord(TWEETS.name, 0, 0, START_MS, DECLARATION_KEY, declaration_value(declared))
    tick = LogRecord(TWEETS.name, 0, 2, START_MS, TICK_KEY, tick_value(START_MS, 3))
    [before, after] = details(source, [begin, *records((1, 0), begin=1), tick, *records((2, 2_001), begin=3)])
    assert "the partition's, which has not begun and which only the ticks of the declared replay (epoch 3)" in before
    assert "the partition's, which is at 2023-11-14 22:13:20 UTC (1700000000000)" in after
    assert "`driftline time live`" in after

"""Redis is a view: wiped, it comes back out of Kafka with the same values, by the next update or by a restart."""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from contracts.codec import serialize
from contracts.partitioning import record_key
from contracts.records import Tweet
from contracts.settings import Settings
from contracts.topics import TWEETS, VOCAB_COUNTS, VOCAB_STATE
from driftline.servers.local import running, start_redis
from streams import owner_processor
from streams.state_records import state_outputs
from streams.vocabulary_processor import VocabularyProcessor
from tests.support.installation import PARTITIONS
from tests.support.pipeline_runs import (
    END_MS,
    INPUTS,
    drained,
    make_served,
    make_tweets,
    record_of,
    replaying,
    worker,
    write_events,
    write_run,
    write_tweet,
)
from transport.installation import install
from transport.kafka.cluster import KafkaCluster
from transport.kafka.writer import KafkaWriter
from transport.processor import Position
from transport.redis.connection import connect, connect_blocking
from vocab.source_counter import SourceCounter
from vocab.tokens.tokenizer import Tokenizer

REQUESTS = 100
BUCKETS = 1_024


@pytest.fixture
def alone(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """With a Redis of this test's own, which it may flush."""
    with running(start_redis(tmp_path, print, bound=True, install=False)) as server:
        yield msgspec.structs.replace(settings, redis=server.address)


def dump(settings: Settings) -> dict[bytes, object]:
    """Every key without its prefix, and its value."""
    found: dict[bytes, object] = {}
    with connect_blocking(settings) as redis:
        for key in redis.scan_iter(count=1_000):
            if b"whole-" in key or key.endswith(b"installation"):
                continue  # marks come a moment later
            value = redis.zrange(key, 0, -1, withscores=True) if redis.type(key) == b"zset" else redis.get(key)
            found[key.removeprefix(settings.prefix.encode())] = value
    return found


def flush(settings: Settings) -> None:
    with connect_blocking(settings) as redis:
        redis.flushall()


def restore(settings: Settings, held: dict[bytes, object]) -> None:
    """Set Redis back to what it held."""
    with connect_blocking(settings) as redis, redis.pipeline(transaction=True) as at_once:
        at_once.flushall()
        for name, value in held.items():
            key = settings.prefix.encode() + name
            if isinstance(value, bytes):
                at_once.set(key, value)
            else:
                at_once.zadd(key, dict(value))
        at_once.execute()


async def write_newcomers(settings: Settings) -> None:
    """Tweets of authors that nobody has heard of, enough for every owner of entities to get one."""
    async with replaying(settings) as writer:
        for i in range(40):
            tweet = Tweet(id=90_000 + i, created_ms=END_MS, author_id=80_000 + i, author="new", text="hello")
            await write_tweet(writer, tweet)
        await writer.tick(INPUTS, END_MS + 600_000)


def test_a_wiped_redis_comes_back_with_the_same_values(alone, tmp_path):
    install(alone)
    requests = [make_served(i, REQUESTS) for i in range(REQUESTS)]
    asyncio.run(write_run(alone, make_tweets(2_000, random.Random(1)), requests))

    with worker(alone, tmp_path / "first.log") as first:
        first.drain(alone)
        before = dump(alone)
        kinds = {key.split(b":")[2] for key in before if key.startswith(b"f:")}
        assert kinds == {b"tweet", b"n", b"history", b"recent", b"position", b"ingested", b"epoch"}

        flush(alone)
        asyncio.run(write_newcomers(alone))
        first.wait_until(lambda: drained(alone))
        after = dump(alone)
        moved = {key for key in before if after.get(key) != before[key]}
        assert {key.split(b":")[-1] for key in moved if key.startswith(b"f:")} == {
            b"recent",
            b"position",
            b"ingested",
        }
        assert {key for key in after if key.startswith(b"vocab:")} == {
            key for key in before if key.startswith(b"vocab:")
        }
        assert len([key for key in after if b":bucket:" in key]) == BUCKETS
        first.terminate()

    flush(alone)
    with worker(alone, tmp_path / "second.log") as second:
        second.wait_until(lambda: second.ready() and dump(alone) == after)
        flush(alone)  # with nothing left to read: the workers look after it
        second.wait_until(lambda: dump(alone) == after)
        second.terminate()


def test_what_ingest_refused_and_second_copies_stay_out_of_a_view_that_is_written_again(alone, tmp_path):
    install(alone)
    time_ms = int(time.time() * 1000)

    def tweet(number: int, text: str, ahead_ms: int = 0) -> Tweet:
        return Tweet(id=number, created_ms=time_ms + ahead_ms, author_id=1, author="a", text=text)

    async def write() -> None:
        async with KafkaWriter(alone) as writer:
            for each in (
                tweet(1, "the first copy"),
                tweet(2, "of 2099", 60 * 365 * 86_400_000),
                tweet(1, "the second"),
            ):
                await writer.send(TWEETS, record_key(each.id), serialize(each), partition=0)

    def tweets() -> dict[bytes, object]:
        return {key: value for key, value in dump(alone).items() if b"}:tweet:" in key or key.endswith(b"recent")}

    asyncio.run(write())
    with worker(alone, tmp_path / "worker.log") as only:
        only.drain(alone)
        before = tweets()
        assert [key.rpartition(b":")[2] for key in sorted(before)] == [b"recent", b"1"]
        assert b"the first copy" in next(value for key, value in before.items() if key.endswith(b"tweet:1"))
        flush(alone)
        only.wait_until(lambda: tweets() == before)
        only.terminate()
    assert "writing them again" in only.said()


def test_a_redis_that_lost_its_last_writes_gets_tweets_and_views_again(alone, tmp_path):
    """As a crash with `appendfsync everysec` leaves it: older values and positions, the epochs in place."""
    install(alone)
    requests = [make_served(i, REQUESTS) for i in range(REQUESTS)]
    tweets = make_tweets(2_000, random.Random(1))

    async def write(tweets, requests) -> None:
        async with replaying(alone) as writer:
            await write_events(writer, tweets, requests)

    with worker(alone, tmp_path / "worker.log") as only:
        asyncio.run(write(tweets[:1_000], requests[:50]))
        only.drain(alone)
        earlier = dump(alone)
        asyncio.run(write_run(alone, tweets[1_000:], requests[50:]))
        only.drain(alone)
        whole = dump(alone)
        assert whole != earlier
        restore(alone, earlier)
        only.wait_until(lambda: dump(alone) == whole)
        only.terminate()


async def test_an_owner_that_resumes_shows_its_state_at_once(settings, monkeypatch):
    """Its state may stand right behind the last window that closed: no record then makes it write the view."""
    tweets = make_tweets(500, random.Random(1))
    batch = Tokenizer().tokenize(tweets)
    frames = []
    for source in range(PARTITIONS):
        counter = SourceCounter(TWEETS.name, source, PARTITIONS, settings.vocab.shards)
        counts = counter.count(batch, np.full(len(tweets), 1, np.int64), 1)
        frames += [frame for owner, frame in [*counts, *counter.markers(1)] if owner == 0]
    redis = connect(settings)
    former = VocabularyProcessor(settings, KafkaCluster(settings), 0, redis)
    await former.process([record_of(VOCAB_COUNTS, offset, serialize(frame)) for offset, frame in enumerate(frames)])
    with connect_blocking(settings) as view:
        keys = list(view.scan_iter(settings.prefix + "*"))
        values = view.mget(keys)
        view.delete(*keys)

        async def read_latest(*_: object) -> dict[bytes, bytes]:
            return {
                part.key: part.value
                for part in state_outputs(VOCAB_STATE, 0, "", len(frames), former.owner.to_bytes())
            }

        monkeypatch.setattr(owner_processor, "read_latest", read_latest)
        heir = VocabularyProcessor(settings, KafkaCluster(settings), 0, redis)
        assert await heir.resume({VOCAB_COUNTS.name: Position(len(frames))}) == {VOCAB_COUNTS.name: len(frames)}
        assert view.mget(keys) == values
        assert len(keys) == BUCKETS // PARTITIONS + 1
    await redis.aclose()

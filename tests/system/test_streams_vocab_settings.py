"""Two workers and one make the same vocabulary, while its settings change in the log."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import msgspec
import pytest

from contracts.codec import Codec
from contracts.columnar import VocabDelta
from contracts.records import Tweet
from contracts.settings import Settings
from contracts.topics import VOCAB_DELTAS
from driftline.operations import configure_vocab as vocab_settings
from streams.ingest_processor import IngestProcessor
from streams.vocabulary_processor import VocabularyProcessor
from tests.support.installation import PARTITIONS
from tests.support.pipeline_runs import (
    BEGIN_MS,
    END_MS,
    HOPS,
    INPUTS,
    deltas_by_shard,
    make_tweets,
    read_all,
    replaying,
    write_tweet,
)
from tests.support.vocab_changes import BEGINNING, LATER
from transport.hop.hop import ExactlyOnceHop
from transport.installation import install
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.ports.redis import Redis
from transport.redis.connection import connect
from vocab.replica.vocabulary import Vocabulary

WINDOW_MS = Settings().time.window_ms


async def _write(settings: Settings, tweets: Sequence[Tweet]) -> None:
    """The settings change where half of the tweets are written."""
    async with replaying(settings) as writer:
        for i, tweet in enumerate(tweets):
            if i == len(tweets) // 2:
                await writer.flush()
                await asyncio.to_thread(vocab_settings.apply, msgspec.structs.replace(settings, vocab=LATER), 0)
            await write_tweet(writer, tweet)
        await writer.tick(INPUTS, END_MS)


async def _work(first: Settings, second: Settings | None = None) -> None:
    """The hops from tweets to deltas, until nothing is left; a second worker joins once the first has begun."""

    async def left() -> int:
        groups = {hop: HOPS[hop] for hop in ("ingest", "vocabulary")}
        return sum((await asyncio.to_thread(kafka_admin.lags, first, groups)).values())

    async def until(reached: Callable[[int], bool]) -> None:
        deadline = time.monotonic() + 240
        while not reached(await left()):
            assert time.monotonic() < deadline, f"{await left()} records are left to do"
            assert not any(task.done() for task in running), running
            await asyncio.sleep(0.2)

    everything = await left()
    redis = connect(first)
    hops = _hops(first, redis)
    running = [asyncio.create_task(hop.run()) for hop in hops]
    if second is not None:
        await until(lambda rest: rest < everything)
        hops += _hops(second, redis)
        running += [asyncio.create_task(hop.run()) for hop in hops[len(running) :]]
    await until(lambda rest: rest == 0)
    await asyncio.gather(*(hop.stop() for hop in hops))
    await asyncio.gather(*running)
    await redis.aclose()


def _hops(settings: Settings, redis: Redis) -> list[ExactlyOnceHop]:
    """A worker's, as `streams.services` makes them."""
    kafka = KafkaCluster(settings)
    return [
        ExactlyOnceHop(kafka, name, HOPS[name], make, partitions=PARTITIONS, max_records=settings.hop.batch_records)
        for name, make in (
            ("ingest", lambda number: IngestProcessor(settings, kafka, number, redis)),
            ("vocabulary", lambda number: VocabularyProcessor(settings, kafka, number, redis)),
        )
    ]


@pytest.mark.timeout(600)
def test_two_workers_change_their_settings_at_the_window_at_which_one_does(settings: Settings):
    tweets = make_tweets(1_500, random.Random(5))
    settings = msgspec.structs.replace(
        settings, vocab=BEGINNING, hop=msgspec.structs.replace(settings.hop, batch_records=50)
    )
    alone = msgspec.structs.replace(settings, prefix=f"{settings.prefix}1-")
    here = msgspec.structs.replace(settings, prefix=f"{settings.prefix}2-")
    for each in (alone, here):
        install(each)
        asyncio.run(_write(each, tweets))
    asyncio.run(_work(alone))
    asyncio.run(_work(here, msgspec.structs.replace(here, vocab=LATER)))
    one, two = deltas_by_shard(alone), deltas_by_shard(here)
    assert {shard: len(log) for shard, log in one.items()} == {shard: len(log) for shard, log in two.items()}
    assert one == two
    vocabulary = Vocabulary(BEGINNING)
    for record in read_all(here, VOCAB_DELTAS):
        vocabulary.apply(Codec(VocabDelta).deserialize(record.value))
    view = vocabulary.at(vocabulary.complete_through)
    assert view.layout.capacity == 64 * 10 + 256
    plan = vocab_settings.plan(here)
    assert {change.setting: (change.now, change.then) for change in plan.changes} == {
        "vocab.word.capacity": (320, 64),
        "vocab.word.half_life_windows": (40.0, 20.0),
        "vocab.hashtag.capacity": (0, 64),
    }
    assert (plan.rows, plan.more_rows) == (view.num_slots, 0)
    assert BEGIN_MS // WINDOW_MS < plan.since < plan.version

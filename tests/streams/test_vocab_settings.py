"""Settings in the log hold from one window, whatever the batches; two workers and one make the same vocabulary."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import pytest
from aiokafka import ConsumerRecord

from contracts.codec import Codec, serialize
from contracts.columnar import VocabCounts, VocabDelta
from contracts.errors import SettingsError
from contracts.partitioning import record_key
from contracts.records import SETTINGS_KEY, TICK_KEY, DeadLetter, Tick, Tweet, VocabConfigured
from contracts.settings import Settings, VocabSettings
from contracts.topics import TWEETS, VOCAB_COUNTS, VOCAB_DELTAS, dead_letters
from driftline.operations import configure_vocab as vocab_settings
from streams.ingest_processor import IngestProcessor
from streams.vocabulary_processor import VocabularyProcessor
from tests.support.pipeline_runs import (
    BEGIN_MS,
    END_MS,
    HOPS,
    INPUTS,
    deltas_by_shard,
    make_tweets,
    read_all,
    record_of,
)
from transport.hop.hop import ExactlyOnceHop
from transport.kafka import admin as kafka_admin
from transport.kafka.writer import KafkaWriter
from transport.ports.redis import Redis
from transport.processor import Output
from transport.redis.connection import connect
from vocab.replica.vocabulary import Vocabulary
from vocab.rules import configured

WINDOW_MS = Settings().time.window_ms
BEGINNING = VocabSettings.uniform(capacity=64, rare_slots=8, admit_at=2.0, half_life_windows=20.0)
LATER = msgspec.structs.replace(
    BEGINNING,
    word=msgspec.structs.replace(BEGINNING.word, capacity=320, half_life_windows=40.0),
    hashtag=msgspec.structs.replace(BEGINNING.hashtag, capacity=0),
)
settings_of_record = Codec(VocabConfigured).deserialize


def log_of(settings: Sequence[VocabConfigured | bytes]) -> list[ConsumerRecord]:
    """Ticks of five windows, with settings after the third."""
    ticks = [serialize(Tick(tick_ms=BEGIN_MS + i * WINDOW_MS)) for i in range(5)]
    records = [(TICK_KEY, tick) for tick in ticks[:3]]
    records += [(SETTINGS_KEY, each if isinstance(each, bytes) else serialize(each)) for each in settings]
    records += [(TICK_KEY, tick) for tick in ticks[3:]]
    return [replace(record_of(TWEETS, i, value), key=key) for i, (key, value) in enumerate(records)]


def outputs_of(records: Sequence[ConsumerRecord], sizes: Sequence[int], committed: bool = True) -> list[Output]:
    async def run() -> list[Output]:
        processor = IngestProcessor(Settings(vocab=BEGINNING), 0, None)  # there is no tweet to write to Redis
        await processor.resume({TWEETS.name: (0, before)} if committed else {})
        outputs, begin = [], 0
        for size in [*sizes, len(records)]:
            if part := records[begin : begin + size]:
                outputs += await processor.process(part)
            begin += size
        return outputs

    processor = IngestProcessor(Settings(), 0, None)
    asyncio.run(processor.process(log_of([])[:1]))
    before = processor.metadata()
    return asyncio.run(run())


def windows(outputs: Sequence[Output]) -> list[int]:
    """Of the settings that the first owner gets."""
    mine = [output for output in outputs if output.topic == VOCAB_COUNTS.name and output.partition == 0]
    return [settings_of_record(output.value).from_window for output in mine if output.key == SETTINGS_KEY]


@pytest.mark.parametrize("sizes", [[], [1] * 9, [2, 2], [3, 1]])
def test_settings_get_the_first_window_that_their_source_has_not_closed_whatever_the_batches(sizes):
    records = log_of([configured(LATER), configured(LATER, 10**9)])
    outputs = outputs_of(records, sizes)
    closed = (BEGIN_MS + 2 * WINDOW_MS - Settings().time.lateness_ms) // WINDOW_MS - 1
    assert windows(outputs) == [closed + 1, 10**9]
    for partition in range(VOCAB_COUNTS.partitions):
        seen = []
        for output in outputs:
            if output.topic == VOCAB_COUNTS.name and output.partition == partition:
                is_settings = output.key == SETTINGS_KEY
                seen.append(("settings", 0) if is_settings else ("closed", _closed(output.value)))
        before = [window for kind, window in seen[: seen.index(("settings", 0))] if kind == "closed"]
        assert before[-1] == closed


def _closed(value: bytes) -> int:
    return Codec(VocabCounts).deserialize(value).closed_through


def test_the_first_batch_of_the_first_partition_says_what_its_worker_begins_with():
    assert windows(outputs_of(log_of([]), [1, 1], committed=False)) == [0]
    assert windows(outputs_of(log_of([]), [1, 1])) == []


def test_keys_counted_into_other_shards_are_not_gone_on_from():
    async def resumed(processor: IngestProcessor, metadata: str) -> None:
        await processor.resume({TWEETS.name: (5, metadata)})

    former = IngestProcessor(Settings(vocab=BEGINNING), 0, None)
    asyncio.run(resumed(former, former.metadata()))
    wider = Settings(vocab=msgspec.structs.replace(BEGINNING, shards=16))
    with pytest.raises(SettingsError, match=r"into 64 virtual shards.*vocab.shards is 16.*driftline vocab reshard"):
        asyncio.run(resumed(IngestProcessor(wider, 0, None), former.metadata()))


def test_settings_that_no_owner_could_go_by_are_dead_letters():
    good = configured(LATER)
    no_viewers = {**good.kinds, "viewer": msgspec.structs.replace(good.kinds["viewer"], rare_slots=0)}
    bad = {
        "malformed": b"{",
        "foreign_vocabulary": msgspec.structs.replace(good, vocabulary="other"),
        "bad_settings": msgspec.structs.replace(good, kinds=no_viewers),
    }
    other_shards = msgspec.structs.replace(good, shards=16)
    outputs = outputs_of(log_of([*bad.values(), other_shards]), [])
    letters = [output for output in outputs if output.topic == dead_letters(TWEETS).name]
    assert [Codec(DeadLetter).deserialize(letter.value).reason for letter in letters] == [*bad, "bad_settings"]
    assert windows(outputs) == []


async def _write(settings: Settings, tweets: Sequence[Tweet]) -> None:
    """The settings change where half of the tweets are written."""
    async with KafkaWriter(settings) as writer:
        for i, tweet in enumerate(tweets):
            if i == len(tweets) // 2:
                await writer.flush()
                await asyncio.to_thread(vocab_settings.apply, msgspec.structs.replace(settings, vocab=LATER), 0)
            await writer.send(TWEETS, record_key(tweet.id), serialize(tweet))
        await writer.send_tick(INPUTS, END_MS)


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
    return [
        ExactlyOnceHop(settings, name, HOPS[name], make, max_records=settings.hop.batch_records)
        for name, make in (
            ("ingest", lambda number: IngestProcessor(settings, number, redis)),
            ("vocabulary", lambda number: VocabularyProcessor(settings, number, redis)),
        )
    ]


@pytest.mark.services
@pytest.mark.timeout(600)
def test_two_workers_change_their_settings_at_the_window_at_which_one_does(settings: Settings):
    tweets = make_tweets(1_500, random.Random(5))
    settings = msgspec.structs.replace(
        settings, vocab=BEGINNING, hop=msgspec.structs.replace(settings.hop, batch_records=50)
    )
    alone = msgspec.structs.replace(settings, prefix=f"{settings.prefix}1-")
    here = msgspec.structs.replace(settings, prefix=f"{settings.prefix}2-")
    for each in (alone, here):
        kafka_admin.apply(each)
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

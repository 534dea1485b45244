"""The scorer's hop on real servers: each request answered once, whatever is killed; bad ones set aside."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from contracts.answers import AnswerCodec
from contracts.codec import Codec, serialize
from contracts.columnar import CandidatesServed
from contracts.errors import ServerUnavailable
from contracts.partitioning import partition_of, record_key
from contracts.records import DeadLetter, RankedTimeline, RequestRefused, Tick
from contracts.served import features_of_requests
from contracts.settings import Settings, VocabSettings
from contracts.settings_sources import to_environ
from contracts.topics import CANDIDATES_SERVED, MODELS, TIMELINE_REQUESTS, TIMELINES_RANKED, dead_letters
from driftline.servers.local import running, start_redis
from driftline.servers.processes import free_port
from eventtime.ticks import TICK_KEY
from featurestore.features import CANDIDATE_SIDE, VIEWER_SIDE
from featurestore.store.reader import FeatureReader
from featurestore.store.writer import write_tweets
from model.serving import Predictor
from scoring.service import ScoringProcessor, run
from tests.golden.compare import assert_same_bits
from tests.support.scoring_samples import BEGIN_MS, make_request, make_snapshot, make_tweet, save_snapshot
from transport.installation import install
from transport.kafka import admin as kafka_admin
from transport.kafka import clients as kafka_clients
from transport.kafka.writer import KafkaWriter
from transport.metrics import HOP_RECORDS
from transport.processor import Position
from transport.redis.connection import connect
from vocab.tokens.tokenizer import Tokenizer

SMALL = VocabSettings.uniform(capacity=128, rare_slots=64)
DECODE = {
    TIMELINES_RANKED.name: AnswerCodec().deserialize,
    CANDIDATES_SERVED.name: Codec(CandidatesServed).deserialize,
    dead_letters(TIMELINE_REQUESTS).name: Codec(DeadLetter).deserialize,
}
TWEETS = [make_tweet(number) for number in range(100, 140)]


@dataclass
class Record:
    """As much of a consumed record as a processor looks at."""

    value: bytes
    key: bytes | None = b"1"
    offset: int = 0
    partition: int = 2
    topic: str = "timeline-requests"


def records(*values, begin=0):
    return [
        Record(value if isinstance(value, bytes) else serialize(value), offset=begin + i)
        for i, value in enumerate(values)
    ]


def of(outputs, topic):
    return [DECODE[topic.name](output.value) for output in outputs if output.topic == topic.name]


@pytest.fixture
async def redis(redis_url, settings):
    """A connection, with tweets in the store."""
    client = connect(settings)
    await write_tweets(client, settings, TWEETS, Tokenizer().tokenize(TWEETS))
    yield client
    await client.aclose()


def processor(settings, redis, model=None):
    return ScoringProcessor(settings, FeatureReader(redis, settings), model or (lambda: None))


async def test_named_candidates_are_ranked_and_unknown_ones_reported(settings, redis):
    outputs = await processor(settings, redis).process(records(make_request(1, candidates=[100, 5, 120, 110])))
    (timeline,) = of(outputs, TIMELINES_RANKED)
    (served,) = of(outputs, CANDIDATES_SERVED)
    assert [int(tweet.id) for tweet in timeline.tweets] == served.tweet_ids.tolist() == [120, 110, 100]
    assert timeline.missing == ["5"]
    assert timeline.ranker == "fallback-recency"
    assert {output.key for output in outputs} == {record_key(1)}
    assert {output.partition for output in outputs} == {partition_of(record_key(1), 4)}


async def test_a_request_without_candidates_gets_the_newest_tweets(settings, redis):
    few = msgspec.structs.replace(settings, scorer=msgspec.structs.replace(settings.scorer, recent_candidates=10))
    outputs = await processor(few, redis).process(records(make_request(1)))
    (timeline,) = of(outputs, TIMELINES_RANKED)
    assert [int(tweet.id) for tweet in timeline.tweets] == list(range(139, 129, -1))


async def test_an_empty_store_gives_an_empty_timeline(settings, redis):
    elsewhere = msgspec.structs.replace(settings, prefix=settings.prefix + "empty-")
    outputs = await processor(elsewhere, redis).process(records(make_request(1), make_request(2, candidates=[100])))
    first, second = of(outputs, TIMELINES_RANKED)
    assert first.tweets == second.tweets == []
    assert (first.missing, second.missing) == ([], ["100"])


async def test_repeats_are_answered_once_and_what_is_no_request_is_set_aside(settings, redis):
    scorer = processor(settings, redis)
    bad = records(b"{", serialize(make_request(3)).replace(b'"v":1', b'"v":7'), begin=10)
    outputs = await scorer.process([*records(make_request(1), make_request(1), make_request(2)), *bad])
    assert [(answer.request_id, type(answer)) for answer in of(outputs, TIMELINES_RANKED)] == [
        ("r3", RequestRefused),
        ("r1", RankedTimeline),
        ("r2", RankedTimeline),
    ]
    letters = of(outputs, dead_letters(TIMELINE_REQUESTS))
    assert [(letter.reason, letter.offset, letter.partition) for letter in letters] == [
        ("malformed", 10, 2),
        ("unknown_version", 11, 2),
    ]
    assert await scorer.process(records(make_request(1), begin=12)) == []


async def test_ticks_are_passed_on_at_their_places_and_a_broken_one_set_aside(settings, redis):
    def tick(offset: int) -> Record:
        return Record(serialize(Tick(tick_ms=BEGIN_MS + offset)), key=TICK_KEY, offset=offset)

    broken = Record(b"{}", key=TICK_KEY, offset=3)
    first, second = records(make_request(1), begin=4), records(make_request(2), begin=6)
    outputs = await processor(settings, redis).process([tick(1), tick(2), broken, *first, tick(5), *second, tick(7)])
    assert [letter.offset for letter in of(outputs, dead_letters(TIMELINE_REQUESTS))] == [3]
    served = [output for output in outputs if output.topic == CANDIDATES_SERVED.name]
    assert [output.key == TICK_KEY for output in served] == [True, False, True, False, True]
    ticks = [output for output in served if output.key == TICK_KEY]
    assert [Codec(Tick).deserialize(output.value).tick_ms - BEGIN_MS for output in ticks] == [2, 5, 7]
    assert {output.partition for output in ticks} == {2}


async def test_a_repeat_is_known_after_a_restart(settings, redis):
    again = processor(settings, redis)
    assert await again.resume({TIMELINE_REQUESTS.name: Position(25_000)}) == {TIMELINE_REQUESTS.name: 5_000}
    await again.replay(records(make_request(1), begin=24_990))
    outputs = await again.process(records(make_request(1), make_request(2), begin=25_000))
    assert [timeline.request_id for timeline in of(outputs, TIMELINES_RANKED)] == ["r2"]


async def test_a_swap_in_mid_stream_changes_the_versions_but_never_inside_of_an_answer(settings, redis):
    small = msgspec.structs.replace(
        settings, vocab=SMALL, scorer=msgspec.structs.replace(settings.scorer, max_batch_candidates=20)
    )
    models = [Predictor(make_snapshot(small, version)) for version in (1, 2, 3)]
    taken = iter([models[0], models[0], models[1], models[2]])  # one is taken for each run of two requests
    requests = [make_request(i, candidates=list(range(100, 110))) for i in range(8)]
    outputs = await processor(small, redis, lambda: next(taken)).process(records(*requests))
    timelines, served = of(outputs, TIMELINES_RANKED), of(outputs, CANDIDATES_SERVED)
    assert [timeline.model_version for timeline in timelines] == [1, 1, 1, 1, 2, 2, 3, 3]
    for timeline, record in zip(timelines, served, strict=True):
        version = timeline.model_version
        assert (timeline.vocab_version, timeline.bins_version) == (1_000 + version, 2_000 + version)
        assert (record.model_version, record.vocab_version, record.bins_version) == (
            version, 1_000 + version, 2_000 + version,
        )  # fmt: skip
        features = features_of_requests([record], VIEWER_SIDE, CANDIDATE_SIDE)
        assert_same_bits(models[version - 1].score(features), record.probabilities)


async def test_a_redis_that_is_away_is_no_answer_but_an_error_that_names_it(settings):
    away = msgspec.structs.replace(settings, redis="redis://localhost:1/0")
    client = connect(away)
    client.client.connection_pool.connection_kwargs["retry"]._retries = 0
    with pytest.raises(ServerUnavailable, match=r"localhost:1/0.*DRIFTLINE_REDIS"):
        await processor(away, client).process(records(make_request(1, candidates=[100])))
    await client.aclose()


async def test_requests_wait_for_a_redis_that_is_away_and_are_then_answered(settings, tmp_path, caplog):
    port = free_port()
    settings = msgspec.structs.replace(settings, redis=f"redis://127.0.0.1:{port}/0")
    install(settings)
    async with KafkaWriter(settings) as writer:
        await writer.send(TIMELINE_REQUESTS, record_key(1), serialize(make_request(1, candidates=[100, 120])))
        await writer.flush()
    stop, before = asyncio.Event(), hop_records()
    service = asyncio.create_task(run(settings, stop))
    await until(lambda: f"127.0.0.1:{port}" in caplog.text, service)
    assert "DRIFTLINE_REDIS" in caplog.text
    assert await asyncio.to_thread(unanswered, settings) == 1
    with running(start_redis(tmp_path, print, bound=True, install=False, preferred_port=port)) as server:
        assert server.address == settings.redis
        client = connect(settings)
        await write_tweets(client, settings, TWEETS, Tokenizer().tokenize(TWEETS))
        await client.aclose()
        await until(lambda: hop_records() > before, service)
        stop.set()
        await service
    ((_, timeline),) = read_all(settings, TIMELINES_RANKED)
    assert [int(tweet.id) for tweet in timeline.tweets][:1] == [120]


def hop_records():
    """Requests that scorers in this process have committed."""
    return HOP_RECORDS.labels("scorer")._value.get()


async def until(condition, service, seconds=60):
    async with asyncio.timeout(seconds):
        while not condition():
            assert not service.done(), service.exception()
            await asyncio.sleep(0.05)


@contextlib.contextmanager
def scorer(settings, log):
    """A scorer in a process of its own."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "import typer; from driftline.cli.scorer import scorer; typer.run(scorer)"],
            env={**os.environ, **to_environ(settings)}, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(condition, process, log, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the scorer died:\n{log.read_text()[-4_000:]}"
        assert time.monotonic() < deadline, f"not reached in {seconds} s:\n{log.read_text()[-4_000:]}"
        time.sleep(0.05)


def unanswered(settings: Settings) -> int:
    """Requests not yet committed as answered."""
    return kafka_admin.lags(settings, {"scorer": [TIMELINE_REQUESTS]})["scorer"]


def read_all(settings, topic):
    with contextlib.closing(kafka_clients.consumer(settings, [topic], consumer_timeout_ms=2_000)) as consumer:
        return [(record.key, DECODE[topic.name](record.value)) for record in consumer if record.key != TICK_KEY]


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_killed_scorers_answer_every_request_once(settings, redis, tmp_path, kills):
    settings = msgspec.structs.replace(settings, vocab=SMALL)
    install(settings)
    before_kills, count, log = 3_000, 3_200, tmp_path / "scorer.log"
    async with KafkaWriter(settings) as writer:
        await writer.send(MODELS, b"timeline", serialize(save_snapshot(settings, 1)))
        for i in range(before_kills):
            request = make_request(i, candidates=list(range(100, 130)), limit=10)
            await writer.send(TIMELINE_REQUESTS, record_key(i), serialize(request))
            if i % 50 == 0:  # a client that sends twice
                await writer.send(TIMELINE_REQUESTS, record_key(i), serialize(request))
        await writer.send(TIMELINE_REQUESTS, b"1", b"no request")
        await writer.send_tick([TIMELINE_REQUESTS], BEGIN_MS)
        await writer.flush()

        total = unanswered(settings)
        for share in np.linspace(0.95, 0.5, kills):
            with scorer(settings, log) as process:
                wait_until(lambda share=share: unanswered(settings) <= total * share, process, log)
                process.send_signal(signal.SIGKILL)
                process.wait()
        await writer.send(MODELS, b"timeline", serialize(save_snapshot(settings, 2)))
        for i in range(before_kills, count):
            await writer.send(TIMELINE_REQUESTS, record_key(i), serialize(make_request(i, candidates=[100, 101])))
        await writer.flush()
    with scorer(settings, log) as process:
        wait_until(lambda: unanswered(settings) == 0, process, log)
        process.terminate()
        assert process.wait(30) == 0, log.read_text()[-4_000:]

    timelines, served = read_all(settings, TIMELINES_RANKED), read_all(settings, CANDIDATES_SERVED)
    assert Counter(timeline.request_id for _, timeline in timelines) == Counter(f"r{i}" for i in range(count))
    assert Counter(record.request_id for _, record in served) == Counter(f"r{i}" for i in range(count))
    assert all(key == record_key(int(timeline.viewer_id)) for key, timeline in timelines)
    late = {timeline.model_version for _, timeline in timelines if int(timeline.viewer_id) >= before_kills}
    assert late == {2} <= {timeline.model_version for _, timeline in timelines} <= {1, 2}
    assert [letter.reason for _, letter in read_all(settings, dead_letters(TIMELINE_REQUESTS))] == ["malformed"]

    models = {version: Predictor(make_snapshot(settings, version)) for version in (1, 2)}
    of_request = {record.request_id: record for _, record in served}
    for _, timeline in timelines[::100]:
        record = of_request[timeline.request_id]
        assert [int(tweet.id) for tweet in timeline.tweets] == record.tweet_ids.tolist()
        features = features_of_requests([record], VIEWER_SIDE, CANDIDATE_SIDE)
        assert_same_bits(models[timeline.model_version].score(features), record.probabilities)
        assert (
            np.array([tweet.probability for tweet in timeline.tweets], np.float32).tolist()
            == record.probabilities.tolist()
        )


async def test_a_malformed_request_is_answered_by_what_is_wrong_with_it(settings, redis):
    whole = serialize(make_request(1))
    bad = [
        whole.replace(b'"limit":35', b'"limit":"many"'),
        whole.replace(b'"v":1', b'"v":7'),
        b'{"request_id":"only"}',
        b'{"request_id":5}',
        b'{"request_id":"' + b"x" * 1_001 + b'"}',
        b"{",
    ]
    outputs = await processor(settings, redis).process(records(*bad, begin=10))
    assert len(of(outputs, dead_letters(TIMELINE_REQUESTS))) == len(bad)
    answers = [output for output in outputs if output.topic == TIMELINES_RANKED.name]
    refused = of(outputs, TIMELINES_RANKED)
    assert [(each.request_id, each.error, each.offset) for each in refused] == [
        ("r1", "malformed", 10),
        ("r1", "unknown_version", 11),
        ("only", "malformed", 12),
    ]
    assert "$.limit" in refused[0].detail
    assert {(answer.key, answer.partition) for answer in answers} == {(b"1", 2)}

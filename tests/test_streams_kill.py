"""A stream worker that is killed in mid-stream: every tweet counts once, every impression is one example."""

import asyncio
import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from contracts.codec import Codec, encode
from contracts.examples import decode_examples
from contracts.frames import CandidatesServed, VocabCounts, VocabDelta
from contracts.partitioning import key_of
from contracts.records import Action, Engagement, Provenance, Tweet
from contracts.settings import Settings, to_environ
from contracts.topics import (
    BIN_COUNTS,
    CANDIDATES_SERVED,
    ENGAGEMENTS,
    EXAMPLES,
    FEATURE_UPDATES,
    TWEETS,
    VOCAB_COUNTS,
    VOCAB_DELTAS,
)
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SPLITS, FEATURE_SET, VIEWER_DENSE, VIEWER_SPLITS
from transport import kafka_admin, kafka_clients
from transport.kafka_writer import KafkaWriter
from vocab.tokenizer import TOKENIZER_VERSION, Tokenizer
from vocab.vocabulary import Vocabulary

BEGIN_MS = 1_760_000_000_000
SPAN_MS = 3_600_000
TWEET_COUNT = 12_000
REQUEST_COUNT = 300
PLACES = 10
INPUTS = [TWEETS, ENGAGEMENTS, CANDIDATES_SERVED]
HOPS = {
    "ingest": [TWEETS],
    "engagements": [ENGAGEMENTS],
    "join": [CANDIDATES_SERVED, ENGAGEMENTS],
    "vocabulary": [VOCAB_COUNTS],
    "bins": [BIN_COUNTS],
    "features": [FEATURE_UPDATES],
}
READY = "[^Worker]: Ready"
WORDS = [f"word{i}" for i in range(400)]


def make_tweets(rng: random.Random) -> list[Tweet]:
    return [
        Tweet(
            id=1_000 + i,
            created_ms=BEGIN_MS + i * SPAN_MS // TWEET_COUNT,
            author_id=rng.randrange(50),
            author="someone",
            text=" ".join(rng.choices(WORDS, k=6)) + f" #tag{rng.randrange(30)}",
            provenance=Provenance.SIMULATED_WORLD,
        )
        for i in range(TWEET_COUNT)
    ]


def make_served(i: int) -> CandidatesServed:
    return CandidatesServed(
        request_id=f"request-{i}",
        viewer_id=i % 40,
        at_ms=BEGIN_MS + i * SPAN_MS // REQUEST_COUNT,
        ranker="fallback-recency",
        model_version=0,
        vocab_version=0,
        bins_version=0,
        tokenizer=TOKENIZER_VERSION,
        feature_set=FEATURE_SET,
        provenance=Provenance.SIMULATED_WORLD,
        tweet_ids=np.arange(1_000 + i, 1_000 + i + PLACES, dtype=np.uint64),
        author_ids=np.arange(PLACES, dtype=np.uint64),
        probabilities=np.full(PLACES, np.nan, np.float32),
        viewer_dense=np.ones(len(VIEWER_DENSE), np.float32),
        viewer_lengths=np.zeros(len(VIEWER_SPLITS), np.uint8),
        viewer_keys=np.empty(0, np.uint64),
        candidate_dense=np.ones(PLACES * len(CANDIDATE_DENSE), np.float32),
        candidate_lengths=np.zeros(PLACES * len(CANDIDATE_SPLITS), np.uint8),
        candidate_keys=np.empty(0, np.uint64),
    )


def engagements_of(served: CandidatesServed) -> Iterator[Engagement]:
    for place, tweet_id in enumerate(served.tweet_ids.tolist()):
        for action in (Action.SEEN, Action.LIKE)[: 1 + place % 2]:
            yield Engagement(
                viewer_id=served.viewer_id,
                tweet_id=tweet_id,
                author_id=place,
                action=action,
                at_ms=served.at_ms + 1_000 * (1 + place),
                request_id=served.request_id,
                position=place,
                provenance=Provenance.SIMULATED_WORLD,
            )


async def write_everything(settings: Settings, tweets: list[Tweet]) -> None:
    async with KafkaWriter(settings) as writer:
        for tweet in tweets:
            await writer.send(TWEETS, key_of(tweet.id), encode(tweet))
            if tweet.id % 100 == 0:  # a producer that sends twice
                await writer.send(TWEETS, key_of(tweet.id), encode(tweet))
        for i in range(REQUEST_COUNT):
            served = make_served(i)
            await writer.send(CANDIDATES_SERVED, key_of(served.viewer_id), encode(served))
            for engagement in engagements_of(served):
                await writer.send(ENGAGEMENTS, key_of(engagement.viewer_id), encode(engagement))
        await writer.send_tick(INPUTS, BEGIN_MS + 2 * SPAN_MS)
        await writer.flush()


@contextlib.contextmanager
def worker(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "driftline", "worker"],
            env={**os.environ, **to_environ(settings)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run_with_kills(settings: Settings, kills: int, rng: random.Random, log: Path) -> None:
    for _ in range(kills):
        with worker(settings, log) as process:
            goal = progress(settings) + rng.randrange(1, 6_000)
            wait_until(lambda goal=goal: progress(settings) >= goal or drained(settings), process, log)
            process.send_signal(signal.SIGKILL)
            process.wait()
    with worker(settings, log) as process:
        ready = log.read_text().count(READY) + 1
        wait_until(lambda: log.read_text().count(READY) >= ready and drained(settings), process, log)
        process.terminate()
        assert process.wait(60) == 0, log.read_text()[-4_000:]


def progress(settings: Settings) -> int:
    """Offsets of the input topics that are committed as processed, over the hops that read them."""
    held = {
        name: sum(o.count for o in by.values()) for name, by in kafka_admin.topic_offsets(settings, INPUTS).items()
    }
    return (
        held["tweets"]
        - kafka_admin.remaining(settings, "ingest", [TWEETS])
        + (
            sum(held.values())
            - held["tweets"]
            - kafka_admin.remaining(settings, "join", [ENGAGEMENTS, CANDIDATES_SERVED])
        )
    )


def drained(settings: Settings) -> bool:
    return all(kafka_admin.remaining(settings, hop, topics) == 0 for hop, topics in HOPS.items())


def wait_until(condition, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the worker died:\n{log.read_text()[-4_000:]}"
        assert time.monotonic() < deadline, f"not reached in {seconds} s:\n{log.read_text()[-4_000:]}"
        time.sleep(0.1)


def read_all(settings: Settings, topic) -> Iterator[bytes]:
    with contextlib.closing(kafka_clients.consumer(settings, [topic], consumer_timeout_ms=3_000)) as consumer:
        for record in consumer:
            yield record.value


@pytest.mark.services
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(1_800)])])
def test_killed_workers_count_every_tweet_and_impression_once(settings, tmp_path, kills):
    rng = random.Random(kills)
    tweets = make_tweets(rng)
    kafka_admin.apply(settings)
    asyncio.run(write_everything(settings, tweets))

    run_with_kills(settings, kills, rng, tmp_path / "worker.log")

    expected = collections.Counter(Tokenizer().tokenize(tweets).keys.tolist())
    counted: collections.Counter[int] = collections.Counter()
    decode = Codec(VocabCounts).decode
    for value in read_all(settings, VOCAB_COUNTS):
        frame = decode(value)
        counted.update(dict(zip(frame.keys.tolist(), frame.counts.tolist(), strict=True)))
    assert counted == expected

    impressions = [
        (request, tweet, label)
        for value in read_all(settings, EXAMPLES)
        for examples in [decode_examples(value)]
        for request, tweet, label in zip(
            examples.request_ids, examples.tweet_ids.tolist(), examples.labels.tolist(), strict=True
        )
    ]
    assert sorted(impressions) == sorted(
        (f"request-{i}", 1_000 + i + place, 1 + 2 * (place % 2))
        for i in range(REQUEST_COUNT)
        for place in range(PLACES)
    )

    vocabulary = Vocabulary(settings.vocab)
    delta_of = Codec(VocabDelta).decode
    for value in read_all(settings, VOCAB_DELTAS):
        vocabulary.apply(delta_of(value))  # raises on a gap, a repeat or a reorder
    assert vocabulary.complete_through >= (BEGIN_MS + SPAN_MS) // settings.time.window_ms

"""A stream worker that is killed in mid-stream: every tweet counts once, every impression is one example."""

import asyncio
import collections
import random
from pathlib import Path

import pytest

from contracts.codec import Codec
from contracts.frames import VocabDelta
from contracts.settings import Settings
from contracts.topics import VOCAB_DELTAS
from tests.pipeline_runs import (
    BEGIN_MS,
    SPAN_MS,
    counted_tokens,
    done,
    drained,
    impressions,
    impressions_of,
    make_served,
    make_tweets,
    read_all,
    run_worker,
    worker,
    write_run,
)
from transport import kafka_admin
from vocab.tokenizer import Tokenizer
from vocab.vocabulary import Vocabulary

TWEET_COUNT = 12_000
REQUEST_COUNT = 300


def run_with_kills(settings: Settings, kills: int, rng: random.Random, folder: Path) -> None:
    for kill in range(kills):
        with worker(settings, folder / f"killed-{kill}.log") as killed:
            goal = done(settings) + rng.randrange(1, 6_000)
            killed.wait_until(lambda goal=goal: done(settings) >= goal or drained(settings))
    run_worker(settings, folder / "last.log")


@pytest.mark.services
@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(1_800)])])
def test_killed_workers_count_every_tweet_and_impression_once(settings, tmp_path, kills):
    rng = random.Random(kills)
    tweets = make_tweets(TWEET_COUNT, rng)
    requests = [make_served(i, REQUEST_COUNT) for i in range(REQUEST_COUNT)]
    kafka_admin.apply(settings)
    asyncio.run(write_run(settings, tweets, requests))

    run_with_kills(settings, kills, rng, tmp_path)

    expected = collections.Counter(Tokenizer().tokenize(tweets).keys.tolist())
    counted: collections.Counter[int] = collections.Counter()
    for (_, key), count in counted_tokens(settings).items():
        counted[key] += count
    assert counted == expected
    assert impressions(settings) == impressions_of(requests)

    vocabulary = Vocabulary(settings.vocab)
    delta_of = Codec(VocabDelta).decode
    for record in read_all(settings, VOCAB_DELTAS):
        vocabulary.apply(delta_of(record.value))  # raises on a gap, a repeat or a reorder
    assert vocabulary.complete_through >= (BEGIN_MS + SPAN_MS) // settings.time.window_ms

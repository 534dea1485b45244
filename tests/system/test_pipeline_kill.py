"""A stream worker that is killed in mid-stream: every tweet counts once, every impression is one example."""

import asyncio
import collections
import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from contracts.codec import Codec
from contracts.columnar import VocabDelta
from contracts.settings import Settings
from contracts.topics import VOCAB_DELTAS
from tests.support.pipeline_runs import (
    BEGIN_MS,
    SPAN_MS,
    counted_tokens,
    done,
    impressions,
    impressions_of,
    left,
    make_served,
    make_tweets,
    read_all,
    run_worker,
    worker,
    write_run,
)
from transport.installation import install
from vocab.replica.vocabulary import Vocabulary
from vocab.tokens.tokenizer import Tokenizer

TWEETS_A_KILL = 6_000
REQUESTS_A_KILL = 150
BATCH_RECORDS = 400  # so that a kill falls among many transactions
SESSION_TIMEOUT_MS = 6_000  # the least that a broker allows


def run_with_kills(settings: Settings, kills: int, rng: random.Random, folder: Path) -> None:
    """Kills spread over the stream: number k falls in the k-th of equal parts of it, or soon after."""
    total = done(settings) + left(settings)
    for kill in range(kills):
        with worker(settings, folder / f"killed-{kill}.log") as killed:
            goal = int(total * (kill + rng.random()) / (kills + 1))
            killed.wait_until(lambda goal=goal: done(settings) > goal)
    run_worker(settings, folder / "last.log")


@pytest.mark.parametrize("kills", [3, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(1_800)])])
def test_killed_workers_count_every_tweet_and_impression_once(settings, tmp_path, kills):
    settings = replace(
        settings, hop=replace(settings.hop, batch_records=BATCH_RECORDS, session_timeout_ms=SESSION_TIMEOUT_MS)
    )
    rng = random.Random(kills)
    tweets = make_tweets(kills * TWEETS_A_KILL, rng)
    requests = [make_served(i, kills * REQUESTS_A_KILL) for i in range(kills * REQUESTS_A_KILL)]
    install(settings)
    asyncio.run(write_run(settings, tweets, requests))

    run_with_kills(settings, kills, rng, tmp_path)

    expected = collections.Counter(Tokenizer().tokenize(tweets).keys.tolist())
    counted: collections.Counter[int] = collections.Counter()
    for (_, key), count in counted_tokens(settings).items():
        counted[key] += count
    assert counted == expected
    assert impressions(settings) == impressions_of(requests)

    vocabulary = Vocabulary(settings.vocab)
    delta_of = Codec(VocabDelta).deserialize
    for record in read_all(settings, VOCAB_DELTAS):
        vocabulary.apply(delta_of(record.value))  # raises on a gap, a repeat or a reorder
    assert vocabulary.complete_through >= (BEGIN_MS + SPAN_MS) // settings.time.window_ms

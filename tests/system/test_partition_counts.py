"""One ordered stream gives the same vocabulary, bins, features and examples with 1, 4 and 32 partitions."""

import asyncio
import contextlib
import random
from typing import NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace

from contracts.codec import Codec
from contracts.columnar import AUTHOR, PAIR, TWEET, VIEWER, VocabDelta
from contracts.settings import Settings, VocabSettings
from contracts.topics import BINS, VOCAB_DELTAS
from featurestore.store.reader import FeatureReader
from featurestore.store.redis_layout import COUNTERS_RECORD, HISTORY_RECORD, Keys, pair_of, unpack_records
from tests.support.pipeline_runs import impressions, make_served, make_tweets, read_all, write_run
from tests.support.vocab_outcome import Decided, decided
from tests.support.vocab_runs import crew, forget
from transport.redis.connection import connect

TWEETS, REQUESTS = 3_000, 600
VIEWERS, AUTHORS = np.arange(40, dtype=np.uint64), np.arange(50, dtype=np.uint64)
IDS = np.arange(1_000, 1_000 + TWEETS, dtype=np.uint64)

_delta_of = Codec(VocabDelta).deserialize


class Found(NamedTuple):
    """What a run leaves: all that does not name a partition or an offset."""

    decided: Decided
    bins: list[bytes]
    values: list[bytes]
    recent: list[int]
    impressions: list[tuple[str, int, int]]


def small(settings: Settings, partitions: int) -> Settings:
    """An installation of its own for each number, with a vocabulary that keys enter and leave."""
    return replace(
        settings,
        prefix=f"{settings.prefix}{partitions}-",
        partitions=partitions,
        bins=replace(settings.bins, minimum_values=100, rolling_windows=10),
        vocab=VocabSettings.uniform(capacity=256, rare_slots=64, admit_at=2.0, half_life_windows=4.0),
    )


async def stored(settings: Settings) -> tuple[list[bytes], list[int]]:
    """(every value of every entity, without its version; the newest tweets)."""
    keys = Keys(settings)
    pairs = pair_of(np.repeat(VIEWERS, len(AUTHORS)), np.tile(AUTHORS, len(VIEWERS)))
    counted = [(TWEET, IDS), (AUTHOR, AUTHORS), (VIEWER, VIEWERS), (PAIR, pairs)]
    async with contextlib.aclosing(connect(settings)) as redis:
        tweets = await redis.mget(keys.tweets(IDS))
        counters = await redis.mget([key for kind, ids in counted for key in keys.counters(kind, ids)])
        histories = await redis.mget(keys.histories(VIEWERS))
        recent, _ = await FeatureReader(redis, settings).recent_tweets(50)
    assert None not in tweets
    assert None not in histories
    values = [value or b"" for value in tweets]
    for dtype, found in ((COUNTERS_RECORD, counters), (HISTORY_RECORD, histories)):
        records = unpack_records(dtype, found).copy()
        records["version"] = 0
        values.append(records.tobytes())
    return values, recent.tolist()


def run(settings: Settings, folder) -> Found:
    """What two workers leave of the stream, or one where there is one partition."""
    with crew(settings, min(2, settings.partitions), folder) as workers:
        requests = [make_served(i, REQUESTS) for i in range(REQUESTS)]
        asyncio.run(write_run(settings, make_tweets(TWEETS, random.Random(1)), requests))
        workers.drain()
    values, recent = asyncio.run(stored(settings))
    return Found(
        decided=decided(settings, [_delta_of(record.value or b"") for record in read_all(settings, VOCAB_DELTAS)]),
        bins=[record.value or b"" for record in read_all(settings, BINS)],
        values=values,
        recent=recent,
        impressions=impressions(settings),
    )


@pytest.mark.timeout(900)
def test_the_number_of_partitions_changes_no_result(settings: Settings, tmp_path) -> None:
    expected = None
    for partitions in (4, 1, 32):
        installation = small(settings, partitions)
        found = run(installation, tmp_path / str(partitions))
        forget(installation)
        expected = expected or found
        assert found.decided == expected.decided
        assert found.bins == expected.bins
        assert found.values == expected.values
        assert found.recent == expected.recent
        assert found.impressions == expected.impressions
    assert expected is not None
    assert expected.decided.admitted > expected.decided.evicted > 50
    assert len(expected.bins) > 5
    assert len(expected.impressions) > REQUESTS

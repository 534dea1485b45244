"""Workers that come and go in mid-stream change nothing: what one worker makes of a log, any number make of it.

The same input goes through two installations: piece by piece through two workers of which one joins and the other
leaves, and as one backlog, in large batches, through one worker. Their hash seeds differ too.
"""

import asyncio
import random
import re

import msgspec

from contracts.settings import Settings
from contracts.topics import BINS
from tests.support.pipeline_runs import (
    END_MS,
    INPUTS,
    counted_tokens,
    deltas_by_shard,
    done,
    impressions,
    impressions_of,
    make_served,
    make_tweets,
    read_all,
    replaying,
    run_worker,
    worker,
    write_events,
)
from transport.installation import install

TWEETS = 12_000
REQUESTS = 300
PIECES = 3
SHARDS = 64
OWNS_SOME = re.compile(r"hop ingest: partitions \[\d")


async def write_piece(settings: Settings, piece: int, tweets, requests) -> None:
    async with replaying(settings) as writer:
        begin, end = piece * len(tweets) // PIECES, (piece + 1) * len(tweets) // PIECES
        first, last = piece * len(requests) // PIECES, (piece + 1) * len(requests) // PIECES
        await write_events(writer, tweets[begin:end], requests[first:last])
        if piece == PIECES - 1:
            await writer.tick(INPUTS, END_MS)


def test_a_worker_joins_and_another_leaves_in_mid_stream(settings, tmp_path):
    alone = msgspec.structs.replace(settings, prefix=settings.prefix + "alone-")
    tweets = make_tweets(TWEETS, random.Random(1))
    requests = [make_served(i, REQUESTS) for i in range(REQUESTS)]
    install(settings)
    install(alone)

    asyncio.run(write_piece(settings, 0, tweets, requests))
    with worker(settings, tmp_path / "first.log", PYTHONHASHSEED="1") as first:
        first.wait_until(lambda: first.ready() and done(settings) > 0)
        with worker(settings, tmp_path / "second.log", PYTHONHASHSEED="2") as second:
            second.wait_until(lambda: second.ready() and OWNS_SOME.search(second.said()))
            before = done(settings)
            asyncio.run(write_piece(settings, 1, tweets, requests))
            second.wait_until(lambda: done(settings) > before)
            asyncio.run(write_piece(settings, 2, tweets, requests))
            first.terminate()
            second.drain(settings)
            second.terminate()

    for piece in range(PIECES):
        asyncio.run(write_piece(alone, piece, tweets, requests))
    run_worker(alone, tmp_path / "alone.log", PYTHONHASHSEED="3")

    assert sum(counted_tokens(settings).values()) > TWEETS
    assert counted_tokens(settings) == counted_tokens(alone)
    assert impressions(settings) == impressions(alone) == impressions_of(requests)
    deltas = deltas_by_shard(settings)
    assert len(deltas) == SHARDS
    assert deltas == deltas_by_shard(alone)
    assert [bins.value for bins in read_all(settings, BINS)] == [bins.value for bins in read_all(alone, BINS)] != []

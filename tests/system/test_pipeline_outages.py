"""A server that goes away in mid-stream and comes back: nothing is lost or doubled, and the log says plainly why."""

import asyncio
import collections
import contextlib
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from contracts.columnar import COUNTERS, VIEWER
from contracts.settings import Settings
from driftline.servers.local import Server, running, start_kafka, start_redis
from featurestore.store.redis_layout import COUNTERS_RECORD, Keys, unpack_records
from streams.app import END_S
from tests.support.pipeline_runs import (
    END_MS,
    INPUTS,
    PLACES,
    Child,
    counted_tokens,
    done,
    drained,
    impressions,
    impressions_of,
    make_served,
    make_tweets,
    replaying,
    worker,
    write_events,
)
from transport.installation import install
from transport.redis.connection import connect_blocking
from vocab.tokens.tokenizer import Tokenizer

TWEETS = 6_000
REQUESTS = 200
VIEWERS = 40
GRACE_S = 20.0


async def write_half(settings: Settings, half: int, tweets, requests) -> None:
    async with replaying(settings) as writer:
        begin, end = half * len(tweets) // 2, (half + 1) * len(tweets) // 2
        first, last = half * len(requests) // 2, (half + 1) * len(requests) // 2
        await write_events(writer, tweets[begin:end], requests[first:last])
        if half:
            await writer.tick(INPUTS, END_MS)


def restart(start: Callable[..., Server], server: Server, folder: Path) -> Server:
    """The same data at the same port."""
    port = int(server.address.removesuffix("/0").rpartition(":")[2])
    again = start(folder, print, bound=True, install=False, preferred_port=port)
    assert again.address == server.address
    return again


def assert_exactly_once(settings: Settings, tweets, requests) -> None:
    counted = collections.Counter()
    for (_, key), count in counted_tokens(settings).items():
        counted[key] += count
    assert counted == collections.Counter(Tokenizer().tokenize(tweets).keys.tolist())
    assert impressions(settings) == impressions_of(requests)
    keys = Keys(settings).counters(VIEWER, np.arange(VIEWERS, dtype=np.uint64))
    with connect_blocking(settings) as redis:
        totals = unpack_records(COUNTERS_RECORD, redis.mget(keys))["totals"].sum(axis=0)
    shown = len(requests) * PLACES
    assert dict(zip(COUNTERS, totals.tolist(), strict=True)) == dict.fromkeys(COUNTERS, 0) | {
        "seen": shown, "like": shown // 2
    }  # fmt: skip


@pytest.fixture
def events():
    return make_tweets(TWEETS, random.Random(1)), [make_served(i, REQUESTS) for i in range(REQUESTS)]


@contextlib.contextmanager
def at_work(settings: Settings, folder: Path, events) -> Iterator[Child]:
    """A worker that has done some of the first half of the events."""
    install(settings)
    asyncio.run(write_half(settings, 0, *events))
    with worker(settings, folder / "worker.log") as work:
        work.wait_until(lambda: work.ready() and done(settings) > 0)
        yield work


def finish(work: Child, settings: Settings, events) -> None:
    """Both halves are done, once, and the worker ends in good order."""
    work.wait_until(lambda: drained(settings))
    assert_exactly_once(settings, *events)
    work.terminate()
    assert "Traceback" not in work.said()


def test_a_redis_that_is_away_for_a_while_loses_nothing(settings, tmp_path, events):
    with running(start_redis(tmp_path, print, bound=True, install=False)) as server:
        settings = msgspec.structs.replace(settings, redis=server.address)
        with at_work(settings, tmp_path, events) as work:
            server.process.stop(GRACE_S)
            asyncio.run(write_half(settings, 1, *events))
            complaint = f"Redis does not answer at {server.address} (setting DRIFTLINE_REDIS)"
            work.wait_until(lambda: complaint in work.said())
            with running(restart(start_redis, server, tmp_path)):
                finish(work, settings, events)
            setbacks = [line for line in work.said().splitlines() if "resuming from what was committed" in line]
            assert [line for line in setbacks if complaint not in line] == []


def test_a_broker_that_restarts_loses_nothing(settings, tmp_path, events):
    with running(start_kafka(tmp_path, print, bound=True, install=False)) as server:
        settings = msgspec.structs.replace(settings, kafka=server.address)
        with at_work(settings, tmp_path, events) as work:
            server.process.stop(GRACE_S)
            complaint = f"Kafka at {server.address} (setting DRIFTLINE_KAFKA)"
            work.wait_until(lambda: complaint in work.said())
            with running(restart(start_kafka, server, tmp_path)):
                asyncio.run(write_half(settings, 1, *events))
                finish(work, settings, events)


def test_a_worker_that_is_told_to_stop_ends_though_kafka_is_gone(settings, tmp_path):
    with running(start_kafka(tmp_path, print, bound=True, install=False)) as server:
        alone = msgspec.structs.replace(settings, kafka=server.address)
        install(alone)
        with worker(alone, tmp_path / "worker.log") as process:
            process.wait_until(process.ready)
            server.process.stop(0)
            process.process.send_signal(signal.SIGTERM)
            assert process.process.wait(END_S + 60) in (0, 1)

"""Reads of the feature store: `python -m benchmarks.featurestore [--candidates 200] [--rounds 400]`, on a real Redis.

One request is a viewer with candidates drawn from a store of 100,000 tweets of 20,000 authors. Every way reads the
same requests, in turns. The floor is what any client has to do: send the same MGETs and take in the replies, on a
plain socket, without looking at them.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from contracts.arrays import U64
from contracts.columnar import AUTHOR, PAIR, TWEET, VIEWER
from contracts.records import TimelineRequest, Tweet
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.feature_server import ARROW
from driftline.feature_store import AsyncFeatureStore, FeatureStore
from driftline.servers.local import running, start_redis
from driftline.servers.processes import free_port
from featurestore.features import CONTINUOUS, HISTORY
from featurestore.store import redis_layout as layout
from featurestore.store.query import query
from featurestore.store.reader import FeatureReader
from featurestore.store.subwords import subwords_of
from featurestore.store.tweet_records import tweet_records, tweet_values
from transport.identity import redis_key, redis_value
from transport.redis.connection import connect, connect_blocking
from vocab.tokens.tokenizer import Tokenizer

TWEETS, AUTHORS, VIEWERS = 100_000, 20_000, 50
NOW = 1_760_000_000_000
NAMES = [feature.name for feature in CONTINUOUS]
TOGETHER = 32  # requests at once


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and the keys of its round trips."""

    viewer: int
    tweets: U64
    trips: list[list[bytes]]
    value_bytes: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=200, help="tweets of one request")
    parser.add_argument("--rounds", type=int, default=400, help="requests of each way")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="driftline-benchmark-") as folder,
        running(start_redis(Path(folder), print, bound=True, install=True)) as server,
    ):
        settings = Settings(redis=server.address, partitions=4, data_dir=folder)
        fill(settings)
        asyncio.run(measure(settings, arguments.candidates, arguments.rounds))


def fill(settings: Settings) -> None:
    """Write tweets, counters of all entities but half of the tweets, histories, and the marks of a whole store."""
    random, keys, tokenizer = np.random.default_rng(0), layout.Keys(settings), Tokenizer()
    with connect_blocking(settings) as redis:

        def counters(kind: int, ids: U64) -> None:
            records = np.zeros(len(ids), layout.COUNTERS_RECORD)
            records["pane"] = NOW // settings.features.pane_ms
            for part in ("totals", "current", "previous"):
                records[part] = random.poisson(2, records[part].shape)
            redis.mset(dict(zip(keys.counters(kind, ids), layout.pack_records(records), strict=True)))

        for begin in range(0, TWEETS, 5_000):
            tweets = [
                Tweet(
                    id=i, created_ms=NOW - 1_000 * i, author_id=i % AUTHORS + 1, author="ann", lang="en",
                    text=" ".join(f"word{n}" for n in random.zipf(1.3, 12) % 50_000) + f" #tag{i % 300}",
                )
                for i in range(begin + 1, begin + 5_001)
            ]  # fmt: skip
            batch = tokenizer.tokenize(tweets)
            records = tweet_records(tweets, batch)
            ids = records["id"].astype(np.uint64)
            redis.mset(
                dict(zip(keys.tweets(ids), tweet_values(records, tweets, subwords_of(records, batch)), strict=True))
            )
            counters(TWEET, ids[::2])
        authors, viewers = np.arange(1, AUTHORS + 1, dtype=np.uint64), np.arange(VIEWERS, dtype=np.uint64)
        counters(AUTHOR, authors)
        counters(VIEWER, viewers)
        for viewer in viewers:
            met = authors[random.random(AUTHORS) < 0.3]
            counters(PAIR, layout.pair_of(np.full(len(met), viewer), met))
        histories = np.zeros(VIEWERS, layout.HISTORY_RECORD)
        histories["at_ms"] = NOW - random.integers(0, 10**7, (VIEWERS, HISTORY))
        histories["tweets"] = random.integers(1, TWEETS, (VIEWERS, HISTORY))
        redis.mset(dict(zip(keys.histories(viewers), layout.pack_records(histories), strict=True)))
        redis.mset(dict.fromkeys(keys.wholes(), b"1"))


async def measure(settings: Settings, candidates: int, rounds: int) -> None:
    """Time every way on the same requests, in turns."""
    random = np.random.default_rng(1)
    requests = [draw(random, settings, candidates, 1) for _ in range(rounds)]
    absent = [draw(random, settings, candidates, TWEETS + 1) for _ in range(rounds)]
    plain = socket.create_connection((urlsplit(settings.redis).hostname, urlsplit(settings.redis).port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = connect(settings)
    reader = FeatureReader(client, settings)
    blocking, waiting = FeatureStore(settings), AsyncFeatureStore(settings)

    async def floor(request: Request) -> None:
        for keys in request.trips:
            exchange(plain, keys)

    async def served(request: Request) -> None:
        asked = TimelineRequest(request_id="r", viewer_id=request.viewer, at_ms=NOW)
        await reader.read([asked], [request.tweets])

    async def get(request: Request) -> None:
        blocking.get(NAMES, tweet=request.tweets, viewer=request.viewer, at_ms=NOW)

    async def get_async(request: Request) -> None:
        await waiting.get(NAMES, tweet=request.tweets, viewer=request.viewer, at_ms=NOW)

    async def at_once(request: Request) -> None:
        await asyncio.gather(*(get_async(request) for _ in range(TOGETHER)))

    port = free_port()
    serving = serve(settings, port)
    connection = HTTPConnection("127.0.0.1", port)

    def over_http(accept: str) -> Callable[[Request], Awaitable[None]]:
        async def ask(request: Request) -> None:
            asked = {"features": NAMES, "tweet": request.tweets.tolist(), "viewer": request.viewer, "at_ms": NOW}
            headers = {"content-type": "application/json", "accept": accept}
            connection.request("POST", "/get", msgspec.json.encode(asked), headers)
            connection.getresponse().read()

        return ask

    ways: dict[str, tuple[Callable[[Request], Awaitable[None]], list[Request], int]] = {
        "plain socket": (floor, requests, 1),
        "FeatureStore.get": (get, requests, 1),
        "AsyncFeatureStore.get": (get_async, requests, 1),
        f"{TOGETHER} of these at once, each": (at_once, requests[: rounds // 8], TOGETHER),
        "FeatureReader.read (with keys)": (served, requests, 1),
        "HTTP, Arrow": (over_http(ARROW), requests, 1),
        "HTTP, JSON": (over_http("application/json"), requests, 1),
        "plain socket, absent tweets": (floor, absent, 1),
        "FeatureStore.get, absent tweets": (get, absent, 1),
    }
    times = await in_turns(ways)
    show(times, requests, candidates)
    serving.terminate()
    serving.wait()
    plain.close()
    blocking.close()
    await waiting.aclose()
    await client.aclose()


async def in_turns(
    ways: dict[str, tuple[Callable[[Request], Awaitable[None]], list[Request], int]],
) -> dict[str, list[float]]:
    """Way -> milliseconds of each request."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(max(len(requests) for _, requests, _ in ways.values())):
        for name, (way, requests, share) in ways.items():
            if turn < len(requests):
                began = time.perf_counter()
                await way(requests[turn])
                times[name].append((time.perf_counter() - began) * 1e3 / share)
    return times


def serve(settings: Settings, port: int) -> "subprocess.Popen[bytes]":
    """A server of its own process, which answers."""
    # It asks Redis how many partitions there are.
    with connect_blocking(settings) as redis:
        redis.set(redis_key(settings), redis_value(settings))
    command = [sys.executable, "-m", "driftline", "features", "serve", "--port", str(port)]
    serving = subprocess.Popen(command, env=os.environ | to_environ(settings), stderr=subprocess.DEVNULL)
    while serving.poll() is None:
        connection = HTTPConnection("127.0.0.1", port)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return serving
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError(f"driftline features serve ended with {serving.returncode}")


def draw(random: np.random.Generator, settings: Settings, candidates: int, least: int) -> Request:
    """A request of tweets from `least` on, with the keys that it leads to."""
    viewer = int(random.integers(0, VIEWERS))
    tweets = random.choice(TWEETS, candidates, replace=False).astype(np.uint64) + np.uint64(least)
    pane_ms = settings.features.pane_ms
    steps = query(NAMES, layout.Keys(settings), pane_ms, at_ms=NOW, tweet=tweets, viewer=viewer)
    trips, found = [], 0
    with connect_blocking(settings) as redis:
        try:
            keys = next(steps)
            while True:
                trips.append(keys)
                values = redis.mget(keys)
                found += sum(len(value) for value in values if value is not None)  # type: ignore[union-attr]
                keys = steps.send(values)  # type: ignore[arg-type]
        except StopIteration:
            return Request(viewer, tweets, trips, found)


def exchange(connection: socket.socket, keys: Sequence[bytes]) -> None:
    """Send one MGET, and take in its reply: as many values as keys, by their lengths alone."""
    connection.sendall(
        b"*%d\r\n$4\r\nMGET\r\n" % (len(keys) + 1) + b"".join(b"$%d\r\n%b\r\n" % (len(k), k) for k in keys)
    )
    received, at, left = bytearray(), 0, len(keys) + 1
    while left:
        received += connection.recv(1 << 20)
        while left and (end := received.find(b"\r\n", at)) >= 0:
            size = int(received[at + 1 : end]) if received[at] == ord("$") else -1
            following = end + 2 + (size + 2 if size >= 0 else 0)
            if following > len(received):
                break
            at, left = following, left - 1


def show(times: dict[str, list[float]], requests: Sequence[Request], candidates: int) -> None:
    """Print the table."""
    keys = sum(len(trip) for trip in requests[0].trips)
    table = Table(
        "read",
        title=f"{candidates} candidates x {len(NAMES)} features: {keys} keys and {requests[0].value_bytes:,} bytes "
        f"of values in {len(requests[0].trips)} round trips",
        title_justify="left",
    )
    for column in ("p50 ms", "p99 ms", "of the socket's p50"):
        table.add_column(column, justify="right")
    floor = np.median(times["plain socket"])
    for name, of_way in times.items():
        p50, p99 = np.percentile(of_way, [50, 99])
        table.add_row(name, f"{p50:.2f}", f"{p99:.2f}", f"{p50 / floor:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

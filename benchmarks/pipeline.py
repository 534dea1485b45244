"""Sustained tweets/s of the whole pipeline on real servers: `python -m benchmarks.pipeline [ingest|whole] [options]`.

`ingest` reads tweets and writes vocabulary, bins and features. `whole` adds, per 1,000 tweets, 1,000 engagements and
20 requests of 100 candidates; the scorer answers them and the trainer learns.

First the tweets that requests name are written, then a warm-up of the same mix, after which there is a model. Then
every process is suspended (SIGSTOP) while the measured load is written. The clock runs from when they continue until
no group has any lag. Kafka, Redis and all processes share the machine's cores. With `--rate` the load is written
while the pipeline runs, at a fixed number of tweets per second, and the clock runs from the first tweet written.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.freshness import ReadableMeter, served_freshness
from benchmarks.processes import Usage, usage
from contracts.records import TimeMode
from contracts.settings import Settings
from contracts.settings_sources import load
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, TIMELINE_REQUESTS, TWEETS
from driftline.demo.processes import Children
from driftline.inspect.lags import GROUPS, LagMeter, trainer_lag
from driftline.servers.local import LocalServers, local_servers
from simulation.load import Chunk, Load
from transport.declare_time import declare_time
from transport.installation import install
from transport.kafka.cluster import KafkaCluster
from transport.kafka.writer import KafkaWriter

EVENT_RATE = 1_000.0  # tweets per second of event time, so that windows of a minute close during a run
NAMED_CHUNKS = 20  # requests name tweets of these chunks, which are in the store before the first request
WARM_UP_CHUNKS = 30  # enough examples for a first model
POLL_S = 0.25
IDLE_POLLS = 4  # a run is over after this many polls without lag
INGEST_GROUPS = ("ingest", "vocabulary", "bins", "features")


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run: its seconds, CPU seconds and resident MB by process, and notes."""

    tweets: int
    seconds: float
    cpu_s: dict[str, float]
    resident_mb: dict[str, float]
    notes: list[str]


def settle_ms(settings: Settings) -> int:
    """How much event time must pass after the last event until everything closes."""
    return settings.join.label_window_ms + settings.time.lateness_ms + 2 * settings.time.window_ms


async def write(
    settings: Settings,
    chunks: Iterable[Chunk],
    *,
    whole: bool,
    rate: float | None = None,
    sent: Callable[[int], None] | None = None,
) -> int:
    """Write chunks as a declared replay, with the ticks that close them. Returns the number of tweets.

    rate: tweets per second, None for as fast as possible. sent: is called with the last tweet id of each chunk.
    """
    began, written, end_ms = time.monotonic(), 0, 0
    ticked = [TWEETS, ENGAGEMENTS, TIMELINE_REQUESTS] if whole else [TWEETS, CANDIDATES_SERVED]
    declared = await declare_time(settings, KafkaCluster(settings), TimeMode.REPLAY, "benchmark")
    async with KafkaWriter(settings) as writer:
        for chunk in chunks:
            # A chunk lasts less than the lateness, so nothing in it is late or too far ahead.
            await writer.send_tick(ticked, chunk.end_ms, declared.epoch)
            parts = [(TWEETS, chunk.tweets)]
            if whole:
                parts += [(TIMELINE_REQUESTS, chunk.requests), (ENGAGEMENTS, chunk.engagements)]
            for topic, (keys, values) in parts:
                for key, value in zip(keys, values, strict=True):
                    await writer.send(topic, key, value)
            written += len(chunk.tweets[0])
            end_ms = chunk.end_ms
            if sent is not None:
                sent(int(chunk.tweets[0][-1]))
            if rate is not None:
                await asyncio.sleep(max(0.0, began + written / rate - time.monotonic()))
        await writer.send_tick(ticked, end_ms + settle_ms(settings), declared.epoch)
        await writer.flush()
    return written


def until_drained(meter: LagMeter, children: Children, groups: Iterable[str]) -> float:
    """Wait until `groups` have no lag. Returns when the last lag was seen, by the monotonic clock."""
    ended, idle = time.monotonic(), 0
    while idle < IDLE_POLLS:
        time.sleep(POLL_S)
        children.check()
        lags = meter.read()
        if any(lags[group] for group in groups):
            ended, idle = time.monotonic(), 0
        else:
            idle += 1
    return ended


async def write_at_rate(settings: Settings, chunks: Iterable[Chunk], *, whole: bool, rate: float) -> tuple[int, str]:
    """Write while the pipeline runs. Returns the number of tweets, and a note on how soon the store had them."""
    async with ReadableMeter.watching(settings) as meter:
        tweets = await write(settings, chunks, whole=whole, rate=rate, sent=meter.sent)
    median, late = meter.milliseconds()
    return tweets, f"tweet sent to readable in the store: {median:.0f} ms in the median, {late:.0f} ms for 90%"


@contextlib.contextmanager
def suspended(children: Children) -> Iterator[None]:
    """Suspend the processes while the block runs. It must be shorter than their sessions with the broker."""
    for pid in children.pids.values():
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in children.pids.values():
            os.kill(pid, signal.SIGCONT)


def commands(workers: int, *, whole: bool) -> dict[str, list[str]]:
    """Name -> arguments of the processes of a run."""
    named = {f"worker-{number}": ["worker", "--log-level", "warning"] for number in range(1, workers + 1)}
    return {**named, "trainer": ["trainer"], "scorer": ["scorer"]} if whole else named


def measure(servers: LocalServers, folder: Path, arguments: argparse.Namespace) -> Run:
    """Warm up, then measure one run."""
    settings, whole, rate = servers.settings, arguments.path == "whole", arguments.rate
    groups = tuple(GROUPS) if whole else INGEST_GROUPS
    source = Load(1, tweets_per_second=EVENT_RATE, named_first=NAMED_CHUNKS * 1_000)
    install(settings)
    children = Children(settings, folder / "logs", commands(arguments.workers, whole=whole))
    try:
        with LagMeter.connected(settings) as meter:
            for chunks, mixed in ((NAMED_CHUNKS, False), (WARM_UP_CHUNKS, whole)):
                asyncio.run(write(settings, source.chunks(chunks), whole=mixed))
                source.pass_time(2 * settle_ms(settings))
                until_drained(meter, children, groups)
            load_run = source.chunks(arguments.tweets // 1_000)
            if rate is None:
                with suspended(children):
                    tweets = asyncio.run(write(settings, load_run, whole=whole))
            start = {name: usage(pid) for name, pid in pids(servers, children).items()}
            began, since_ms = time.monotonic(), int(time.time() * 1_000)
            notes = []
            if rate is not None:
                tweets, readable = asyncio.run(write_at_rate(settings, load_run, whole=whole, rate=rate))
                notes.append(readable)
            ended = until_drained(meter, children, groups)
            end = {name: usage(pid) for name, pid in pids(servers, children).items()}
            if whole:
                notes.append(f"records of examples that no published model has learned from: {trainer_lag(settings)}")
            if whole and rate is not None:
                fresh = served_freshness(settings, since_ms)
                notes.append(
                    f"engagement appended to first score served that learned from it: {fresh.median_ms} ms in the "
                    f"median, {fresh.p90_ms} ms for 90% ({settings.join.label_window_ms / 1_000:.0f} s of event time "
                    f"to wait for labels; event time runs at {rate / EVENT_RATE:.1f} times the clock)"
                )
    finally:
        failures = children.stop()
    if failures:
        raise failures[0]
    resident_mb = {name: used.resident_mb for name, used in end.items()}
    return Run(tweets, ended - began, _spent(start, end), resident_mb, notes)


def pids(servers: LocalServers, children: Children) -> dict[str, int]:
    """Name -> process id of every process of the run, servers included."""
    return {name: server.process.pid for name, server in servers.started.items()} | children.pids


def _spent(start: dict[str, Usage], end: dict[str, Usage]) -> dict[str, float]:
    return {name: end[name].cpu_s - start[name].cpu_s for name in start}


def show(run: Run, arguments: argparse.Namespace) -> None:
    """Print the table of a run."""
    title = f"{arguments.path}: {run.tweets / run.seconds:,.0f} tweets/s ({run.tweets:,} in {run.seconds:.1f} s)"
    table = Table(title=title, title_justify="left")
    table.add_column("process")
    for column in ("CPU s", "ms CPU / 1,000 tweets", "cores", "resident MB"):
        table.add_column(column, justify="right")
    for name, cpu_s in run.cpu_s.items():
        per_thousand = cpu_s / run.tweets * 1e6
        table.add_row(
            name, f"{cpu_s:.1f}", f"{per_thousand:.1f}", f"{cpu_s / run.seconds:.2f}", f"{run.resident_mb[name]:,.0f}"
        )
    Console().print(table)
    for note in run.notes:
        print(note)


def main() -> None:
    """Measure a run and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", choices=("ingest", "whole"), nargs="?", default="ingest")
    parser.add_argument("--tweets", type=int, default=200_000, help="number of measured tweets")
    parser.add_argument("--workers", type=int, default=1, help="number of stream workers")
    parser.add_argument("--partitions", type=int, default=4, help="of every topic but the single ones")
    parser.add_argument("--rate", type=float, help="write while the pipeline runs, at this many tweets per second")
    arguments = parser.parse_args()
    settings = msgspec.structs.replace(
        load(),
        join=msgspec.structs.replace(load().join, label_window_ms=20_000),
        time=msgspec.structs.replace(load().time, lateness_ms=2_000),
    )
    with tempfile.TemporaryDirectory(prefix="driftline-benchmark-") as folder:
        settings = msgspec.structs.replace(settings, data_dir=folder, partitions=arguments.partitions)
        with local_servers(settings, Path(folder), print) as servers:
            show(measure(servers, Path(folder), arguments), arguments)


if __name__ == "__main__":
    main()

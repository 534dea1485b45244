"""Runs of real workers over one log: any number of workers, some of them killed, until the log is drained."""

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from kafka.admin import OffsetSpec

from contracts.settings import Settings
from contracts.topics import Topic
from tests.support.drifting_stream import Row
from tests.support.paths import ROOT
from tests.support.pipeline_runs import Child, drained, worker
from transport.installation import install
from transport.kafka import admin as kafka_admin
from transport.kafka.clients import admin
from transport.kafka.writer import KafkaWriter
from transport.redis.connection import connect_blocking

PATIENCE_S = 600  # timeout on a busy machine
LOOK_S = 0.01  # between two reads of a topic's end
DRAINED_S = 1.0  # between two reads of the lags
YEAR_S = 365 * 86_400
# The environment of a process that believes itself a year ahead.
SHIFTED = {
    "PYTHONPATH": os.pathsep.join(
        [str(ROOT / "tests" / "support" / "shifted_clock"), *filter(None, [os.environ.get("PYTHONPATH")])]
    ),
    "SHIFTED_CLOCK_S": str(YEAR_S),
}
OWNERSHIP = re.compile(r"hop ingest: partitions \[(.*?)\]")


class Crew:
    """The workers of one installation. `start` adds a worker, `kill` ends one as `kill -9` does."""

    def __init__(self, settings: Settings, folder: Path, stack: contextlib.ExitStack, **environ: str) -> None:
        self._settings = settings
        self._folder = folder
        self._stack = stack
        self._environ = environ
        self._started = 0
        self.members: list[Child] = []

    def start(self) -> Child:
        """Start a worker. Returns before it is ready."""
        log = self._folder / f"worker-{self._started}.log"
        self._started += 1
        member = self._stack.enter_context(worker(self._settings, log, **self._environ))
        self.members.append(member)
        return member

    def kill(self, member: Child) -> None:
        """Send SIGKILL. Returns when the process has ended."""
        self.members.remove(member)
        member.process.kill()
        member.process.wait()

    def wait_until(self, condition: Callable[[], bool], *, poll_s: float = 0.1) -> None:
        """Poll until `condition()`; fails with the end of a log if a worker dies, or after `PATIENCE_S`."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            for member in self.members:
                assert member.process.poll() is None, f"a worker died:\n{member.said()[-4_000:]}"
            assert time.monotonic() < deadline, f"not reached in {PATIENCE_S} s:\n{self._said()}"
            time.sleep(poll_s)

    def wait_for(self, topic: Topic, offsets: int, look: "Appended") -> None:
        """Wait until a topic has more than `offsets` offsets, or until everything is drained.

        Large batches leave fewer offsets than small ones. The whole input must have been written before.
        """
        looked = time.monotonic()

        def reached() -> bool:
            nonlocal looked
            if look.offsets(topic) > offsets:
                return True
            if time.monotonic() < looked + DRAINED_S:
                return False
            looked = time.monotonic()
            return drained(self._settings)

        self.wait_until(reached, poll_s=LOOK_S)

    def all_own_some(self) -> bool:
        """Whether every worker has partitions of `tweets` now."""
        return all(owned[-1:] not in ([], [""]) for owned in (OWNERSHIP.findall(m.said()) for m in self.members))

    def drain(self) -> None:
        """Wait until every hop has committed everything."""
        self.wait_until(lambda: drained(self._settings), poll_s=DRAINED_S)

    def _said(self) -> str:
        return "\n\n".join(member.said()[-3_000:] for member in self.members)


@contextlib.contextmanager
def crew(settings: Settings, workers: int, folder: Path, **environ: str) -> Iterator[Crew]:
    """`workers` workers, each of which owns partitions; killed at the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    install(settings)
    with contextlib.ExitStack() as stack:
        members = Crew(settings, folder, stack, **environ)
        for _ in range(workers):
            members.start()
        members.wait_until(members.all_own_some)
        yield members


def write_rows(settings: Settings, rows: Sequence[Row]) -> None:
    """Write a whole log, in order."""

    async def write() -> None:
        async with KafkaWriter(settings) as writer:
            for topic, partition, key, value in rows:
                await writer.send(topic, key, value, partition)

    asyncio.run(write())


def forget(settings: Settings) -> None:
    """Delete what a run left on the servers."""
    kafka_admin.delete(settings)
    with connect_blocking(settings) as redis:
        keys = list(redis.scan_iter(settings.prefix.encode() + b"*", count=1_000))
        if keys:
            redis.unlink(*keys)


class Appended:
    """Reads the ends of topics, in some milliseconds. Records in open transactions count too."""

    def __init__(self, settings: Settings, client: Any, topics: Sequence[Topic]) -> None:
        self._client = client
        self._partitions = {
            topic: [
                TopicPartition(settings.prefix + topic.name, number) for number in range(topic.partitions(settings))
            ]
            for topic in topics
        }

    def offsets(self, topic: Topic) -> int:
        """The number of offsets in the topic, including those of open transactions."""
        return self._ends([topic], "read_uncommitted")

    def in_flight(self) -> int:
        """The number of offsets since the start of the oldest open transaction, summed over partitions."""
        topics = list(self._partitions)
        # Read this first: a commit in between then cannot make the difference negative.
        stable = self._ends(topics, "read_committed")
        return self._ends(topics, "read_uncommitted") - stable

    def _ends(self, topics: Sequence[Topic], isolation: str) -> int:
        partitions = [partition for topic in topics for partition in self._partitions[topic]]
        found = self._client.list_partition_offsets(
            dict.fromkeys(partitions, OffsetSpec.LATEST), isolation_level=isolation
        )
        return sum(position.offset for position in found.values())


@contextlib.contextmanager
def appended(settings: Settings, topics: Sequence[Topic]) -> Iterator[Appended]:
    """An `Appended` of `topics`, over one connection."""
    with admin(settings) as client:
        yield Appended(settings, client, topics)

"""Runs of real workers over one log: any number of them, some of them killed, until nothing is left to do."""

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
from transport.kafka import admin as kafka_admin
from transport.kafka.clients import admin
from transport.kafka.writer import KafkaWriter
from transport.redis.connection import connect_blocking

PATIENCE_S = 600  # of a busy machine
LOOK_S = 0.01  # between two looks at how far a topic has got
DRAINED_S = 1.0  # between two looks
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
    """Workers of one installation. `start` adds one, `kill` ends one as `kill -9` does."""

    def __init__(self, settings: Settings, folder: Path, stack: contextlib.ExitStack, **environ: str) -> None:
        self._settings = settings
        self._folder = folder
        self._stack = stack
        self._environ = environ
        self._started = 0
        self.members: list[Child] = []

    def start(self) -> Child:
        """A worker, on its way up."""
        log = self._folder / f"worker-{self._started}.log"
        self._started += 1
        member = self._stack.enter_context(worker(self._settings, log, **self._environ))
        self.members.append(member)
        return member

    def kill(self, member: Child) -> None:
        """SIGKILL; returns when the process is gone."""
        self.members.remove(member)
        member.process.kill()
        member.process.wait()

    def wait_until(self, condition: Callable[[], bool], *, poll_s: float = 0.1) -> None:
        """Polls until `condition()`; fails with the end of a log if a worker dies or `PATIENCE_S` pass."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            for member in self.members:
                assert member.process.poll() is None, f"a worker died:\n{member.said()[-4_000:]}"
            assert time.monotonic() < deadline, f"not reached in {PATIENCE_S} s:\n{self._said()}"
            time.sleep(poll_s)

    def wait_for(self, topic: Topic, offsets: int, look: "Appended") -> None:
        """Until a topic holds more offsets; or until all is done: large batches leave fewer of them than small ones.

        What is to be done must have been written before.
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
        """Whether each has partitions of `tweets` now."""
        return all(owned[-1:] not in ([], [""]) for owned in (OWNERSHIP.findall(m.said()) for m in self.members))

    def drain(self) -> None:
        """Until nothing that the topics hold is left to do."""
        self.wait_until(lambda: drained(self._settings), poll_s=DRAINED_S)

    def _said(self) -> str:
        return "\n\n".join(member.said()[-3_000:] for member in self.members)


@contextlib.contextmanager
def crew(settings: Settings, workers: int, folder: Path, **environ: str) -> Iterator[Crew]:
    """So many workers, each of which owns partitions; killed at the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    kafka_admin.apply(settings)
    with contextlib.ExitStack() as stack:
        members = Crew(settings, folder, stack, **environ)
        for _ in range(workers):
            members.start()
        members.wait_until(members.all_own_some)
        yield members


def write_rows(settings: Settings, rows: Sequence[Row]) -> None:
    """All of a log, in its order."""

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
    """How far topics have got: some ms a look. Offsets of records in open transactions count."""

    def __init__(self, settings: Settings, client: Any, topics: Sequence[Topic]) -> None:
        self._client = client
        self._partitions = {
            topic: [TopicPartition(settings.prefix + topic.name, number) for number in range(topic.partitions)]
            for topic in topics
        }

    def offsets(self, topic: Topic) -> int:
        """Offsets that the topic holds, in flight or not."""
        return self._ends([topic], "read_uncommitted")

    def in_flight(self) -> int:
        """Offsets since the beginning of the oldest open transaction of each partition."""
        topics = list(self._partitions)
        stable = self._ends(topics, "read_committed")  # first: what is committed in between is no less than this
        return self._ends(topics, "read_uncommitted") - stable

    def _ends(self, topics: Sequence[Topic], isolation: str) -> int:
        partitions = [partition for topic in topics for partition in self._partitions[topic]]
        found = self._client.list_partition_offsets(
            dict.fromkeys(partitions, OffsetSpec.LATEST), isolation_level=isolation
        )
        return sum(position.offset for position in found.values())


@contextlib.contextmanager
def appended(settings: Settings, topics: Sequence[Topic]) -> Iterator[Appended]:
    """A look at `topics`, over one connection."""
    with admin(settings) as client:
        yield Appended(settings, client, topics)

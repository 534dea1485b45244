"""Helpers of the hop's tests: a processor whose outputs show its state, and readers of committed records."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from kafka.admin import MemberToRemove

from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import TWEETS, VOCAB_COUNTS, Topic
from tests.support.paths import ROOT
from transport.hop.hop import Output, Processor
from transport.kafka.admin import lags
from transport.kafka.clients import admin
from transport.ports.kafka_records import LogRecord
from transport.processor import Position

DEADLINE_S = 40.0
CHECKPOINT_RECORDS = 40


class Counting(Processor):
    """Sends [offset, how many records came so far] for each record. Its count is rebuilt from a checkpoint that the
    metadata names, by reading again: a wrong resume, replay or metadata shows in the outputs."""

    def __init__(self, settings: Settings, source: Topic = TWEETS, sink: Topic = VOCAB_COUNTS) -> None:
        self.settings = settings
        self.source, self.sink = source, sink
        self.count = 0
        self.checkpoint = (0, 0)  # offset, count before it
        self.replayed: list[int] = []  # how many records each call brought

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        offset, self.count = json.loads(committed[self.source.name].metadata)
        self.checkpoint = (offset, self.count)
        return {self.source.name: offset}

    async def replay(self, records: Sequence[LogRecord]) -> None:
        self.count += len(records)
        self.replayed.append(len(records))

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        outputs = []
        for record in records:
            assert record.topic == self.source.name
            if record.offset >= self.checkpoint[0] + CHECKPOINT_RECORDS:
                self.checkpoint = (record.offset, self.count)
            self.count += 1
            value = json.dumps([record.offset, self.count]).encode()
            outputs.append(Output(self.sink.name, value, key=record.key, partition=record.partition))
        return outputs

    def metadata(self) -> str:
        return json.dumps(self.checkpoint)


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, every_s: float = 0.1) -> None:
    """Wait until `holds()`; fails after `DEADLINE_S`."""
    deadline = time.monotonic() + DEADLINE_S
    while not await holds():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        await asyncio.sleep(every_s)


async def drained(settings: Settings, group: str, topics: Sequence[Topic] = (TWEETS,)) -> None:
    """Wait until `group` has committed everything in all partitions of `topics`."""

    async def no_lag() -> bool:
        return not (await asyncio.to_thread(lags, settings, {group: topics}))[group]

    await eventually(no_lag, f"{group} reads all of {[topic.name for topic in topics]}")


async def read_visible(settings: Settings, topic: Topic) -> dict[int, list[ConsumerRecord]]:
    """Partition -> the records that a read-committed reader sees."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        partitions = [
            TopicPartition(settings.prefix + topic.name, number) for number in range(topic.partitions(settings))
        ]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: dict[int, list[ConsumerRecord]] = {number: [] for number in range(topic.partitions(settings))}
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                found[partition.partition] += records
        return found
    finally:
        await consumer.stop()


async def assert_each_counted_once(settings: Settings, source: Topic = TWEETS, sink: Topic = VOCAB_COUNTS) -> None:
    """Assert that every record of `source` has one committed record in `sink`, in order, with an unbroken count."""
    read, written = await read_visible(settings, source), await read_visible(settings, sink)
    for number in range(source.partitions(settings)):
        expected = [[record.offset, count] for count, record in enumerate(read[number], 1)]
        assert [json.loads(record.value) for record in written[number]] == expected


def evict_members(settings: Settings, group: str) -> None:
    """Remove the group's members, as the broker does when a dead member's session times out."""
    with admin(settings) as client:
        name = settings.prefix + group
        described = client.describe_groups([name])[name]
        client.remove_group_members(name, [MemberToRemove(member["member_id"]) for member in described["members"]])


def start_child(settings: Settings, group: str, plan: str, log: Path) -> "subprocess.Popen[bytes]":
    """Start a process that runs one hop of `group` with the fault `plan` (see `transport_child.py`)."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.support.transport_child", group, plan],
            env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore", **to_environ(settings)},
            cwd=ROOT,
            stdout=sink,
            stderr=sink,
        )

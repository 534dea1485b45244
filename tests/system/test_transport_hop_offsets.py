"""A hop whose logs were made anew, cut or deleted, or whose offsets expired, stops there, says so, and can go on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from kafka import TopicPartition as PrefixedPartition
from typer.testing import CliRunner

from contracts.partitioning import record_key
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import HOP_STARTS, TIMELINE_REQUESTS, VOCAB_COUNTS
from driftline.cli.main import build
from driftline.inspect.offsets import offsets
from driftline.operations.reset_offsets import CannotReset, Target, reset
from tests.support.installation import PARTITIONS
from tests.support.transport_hops import drained, eventually, read_visible
from transport.hop.hop import ExactlyOnceHop, Output, Position, Processor
from transport.hop.position import Verdict
from transport.installation import install
from transport.kafka import admin as kafka_admin
from transport.kafka.clients import admin as connect_admin
from transport.kafka.cluster import KafkaCluster
from transport.kafka.writer import KafkaWriter
from transport.metrics import HOP_STOPPED
from transport.ports.kafka_records import Committed, LogRecord, TopicPartition

HOP = "scorer"
TOPICS = [TIMELINE_REQUESTS, VOCAB_COUNTS, HOP_STARTS]


class Total(Processor):
    """Sends how many records came in all; the total is in the metadata."""

    total = 0

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        self.total = int(committed[TIMELINE_REQUESTS.name].metadata or 0)
        return {}

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Nothing is ever read again."""

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        self.total += len(records)
        return [Output(VOCAB_COUNTS.name, b"%d" % self.total)]

    def metadata(self) -> str:
        return str(self.total)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[ExactlyOnceHop]:
    hop = ExactlyOnceHop(
        KafkaCluster(settings), HOP, [TIMELINE_REQUESTS], lambda number: Total(), partitions=PARTITIONS, linger_ms=0
    )
    task = asyncio.create_task(hop.run())
    try:
        yield hop
    finally:
        await hop.stop()
        await task


async def write(settings: Settings, count: int) -> None:
    async with KafkaWriter(settings) as writer:
        for number in range(count):
            await writer.send(TIMELINE_REQUESTS, record_key(number), b"%d" % number, number % 4)


async def read_all(settings: Settings) -> None:
    async with running(settings):
        await drained(settings, HOP, [TIMELINE_REQUESTS])


async def stopped(settings: Settings, caplog: pytest.LogCaptureFixture, words: str, numbers: Sequence[int]) -> None:
    """Run the hop until it says that these partitions cannot be read on; the others are read."""
    caplog.clear()

    async def said() -> bool:
        return (
            all(f"{TIMELINE_REQUESTS.name}[{number}]: " in caplog.text for number in numbers) and words in caplog.text
        )

    async with running(settings):
        await eventually(said, "the hop says why it stopped")
        stopped = {number: HOP_STOPPED.labels(HOP, str(number))._value.get() for number in range(4)}
        assert stopped == {number: float(number in numbers) for number in range(4)}
    assert f"driftline offsets reset {HOP} --partition {numbers[0]}" in caplog.text


async def totals(settings: Settings) -> list[int]:
    """The newest total of each partition."""
    found = await read_visible(settings, VOCAB_COUNTS)
    return [int(found[number][-1].value) for number in range(4)]


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, logger="transport")
    return caplog


async def settle(settings: Settings, target: Target | None = None, partition: int | None = None) -> set[Verdict]:
    """Reset; the verdicts that were found."""
    done = await asyncio.to_thread(reset, settings, HOP, partition, target, write=True)
    return {each.verdict for each in done}


async def verdicts(settings: Settings) -> list[Verdict | None]:
    """Of the partitions of the hop."""
    return [row.verdict for row in await asyncio.to_thread(offsets, settings) if row.hop == HOP]


async def test_a_topic_made_anew_stops_its_hop_until_it_is_told_to_begin_anew(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the new one has more records than were read: what tells them apart is the topic's id."""
    kafka_admin.apply(settings, TOPICS)
    await write(settings, 40)
    await read_all(settings)
    await asyncio.to_thread(kafka_admin.delete, settings, [TIMELINE_REQUESTS])
    await asyncio.to_thread(kafka_admin.apply, settings, [TIMELINE_REQUESTS])
    await write(settings, 80)
    await stopped(settings, caplog, "deleted and made anew since this hop read it", range(4))
    assert await verdicts(settings) == [Verdict.MADE_ANEW] * 4
    assert await settle(settings) == {Verdict.MADE_ANEW}
    assert await verdicts(settings) == [Verdict.OK] * 4
    await read_all(settings)
    assert await totals(settings) == [20] * 4  # Kafka deletes the metadata of a group with the topic


async def test_a_topic_that_is_made_anew_under_a_running_hop_is_noticed(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka_admin.apply(settings, TOPICS)
    await write(settings, 40)

    async def said() -> bool:
        return "deleted and made anew since this hop read it" in caplog.text

    monkeypatch.setattr("transport.hop.partition.IDENTIFY_S", 0.0)
    monkeypatch.setattr("transport.kafka.aiokafka_consumer.METADATA_AGE_MS", 500)
    async with running(settings):
        await drained(settings, HOP, [TIMELINE_REQUESTS])
        await asyncio.to_thread(kafka_admin.delete, settings, [TIMELINE_REQUESTS])
        await asyncio.to_thread(kafka_admin.apply, settings, [TIMELINE_REQUESTS])
        await write(settings, 80)
        await eventually(said, "the hop notices")
    assert await totals(settings) == [10] * 4


async def test_a_log_that_is_shorter_than_what_was_committed_swallows_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    kafka_admin.apply(settings, TOPICS)
    await write(settings, 40)
    await read_all(settings)
    with KafkaCluster(settings).admin() as admin:
        at = TopicPartition(TIMELINE_REQUESTS.name, 1)
        committed = admin.committed([HOP])[HOP][at]
        admin.commit(HOP, {at: committed._replace(offset=1_000)})
    await stopped(settings, caplog, "offset 1000 was committed, but it holds offsets 0 to 10", [1])
    assert await settle(settings) == {Verdict.OK, Verdict.SHORTER}
    await write(settings, 40)
    await read_all(settings)
    assert await totals(settings) == [20] * 4


async def test_what_retention_deleted_unread_is_named_and_not_skipped_silently(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    kafka_admin.apply(settings, TOPICS)
    await write(settings, 40)
    await read_all(settings)
    await write(settings, 40)
    with connect_admin(settings) as admin:
        admin.delete_records({PrefixedPartition(settings.prefix + TIMELINE_REQUESTS.name, 2): 15})
    await stopped(settings, caplog, "from offset 10, but it holds offsets 15 to 20: retention has deleted", [2])
    assert await settle(settings, partition=2) == {Verdict.DELETED}
    await read_all(settings)
    assert await totals(settings) == [20, 20, 15, 20]


async def test_offsets_that_expired_are_not_taken_for_those_of_a_hop_that_never_ran(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    kafka_admin.apply(settings, TOPICS)
    with pytest.raises(CannotReset, match="hop scorer has never read a partition"):
        await settle(settings)
    assert await verdicts(settings) == [None] * 4
    await write(settings, 40)
    await read_all(settings)
    with KafkaCluster(settings).admin() as admin:
        admin.forget([HOP])
    await write(settings, 40)
    await stopped(settings, caplog, "nothing was committed, though this hop has read it before", range(4))
    assert await verdicts(settings) == [Verdict.NEW] * 4
    with pytest.raises(CannotReset, match="give `--to beginning` to read all of it"):
        await settle(settings)
    await settle(settings, Target.END)
    assert await verdicts(settings) == [Verdict.OK] * 4


async def test_offsets_of_another_program_are_not_taken_without_the_state_that_belongs_to_them(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    kafka_admin.apply(settings, TOPICS)
    await write(settings, 40)
    await read_all(settings)
    with KafkaCluster(settings).admin() as admin:
        admin.commit(HOP, {TopicPartition(TIMELINE_REQUESTS.name, 0): Committed(5, "")})
    await stopped(settings, caplog, "offset 5 was committed by another program", [0])


async def test_a_hop_that_still_runs_is_not_reset(settings: Settings) -> None:
    kafka_admin.apply(settings, TOPICS)
    await write(settings, 40)
    async with running(settings):
        await drained(settings, HOP, [TIMELINE_REQUESTS])
        with pytest.raises(CannotReset, match="still has 1 members: stop the processes"):
            await settle(settings)
    with pytest.raises(CannotReset, match="there is no hop 'nothing'; there are ingest, engagements"):
        await asyncio.to_thread(reset, settings, "nothing", None, None, write=True)


async def test_the_commands_show_and_reset(settings: Settings) -> None:
    install(settings)
    await write(settings, 40)
    await read_all(settings)
    runner, environ = CliRunner(), to_environ(settings)
    assert (await asyncio.to_thread(runner.invoke, build(), ["offsets", "show"], env=environ)).exit_code == 0
    with KafkaCluster(settings).admin() as admin:
        admin.forget([HOP])
    shown = await asyncio.to_thread(runner.invoke, build(), ["offsets", "show", "--json"], env=environ)
    assert shown.exit_code == 2
    assert shown.stdout.count('"never committed"') == 4
    dry = ["offsets", "reset", HOP, "--to", "end", "--partition", "3", "--dry-run"]
    assert (await asyncio.to_thread(runner.invoke, build(), dry, env=environ)).exit_code == 0
    assert await verdicts(settings) == [Verdict.NEW] * 4
    done = await asyncio.to_thread(runner.invoke, build(), ["offsets", "reset", HOP, "--to", "end"], env=environ)
    assert done.exit_code == 0
    assert await verdicts(settings) == [Verdict.OK] * 4
    wrong = await asyncio.to_thread(runner.invoke, build(), ["offsets", "reset", HOP, "--to", "middle"], env=environ)
    assert wrong.exit_code == 2

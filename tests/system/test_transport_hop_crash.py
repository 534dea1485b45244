"""Instances that die, freeze, join and leave in mid-stream: every input still gives one output, from true state."""

import asyncio
import random
import signal
import subprocess
from pathlib import Path

from contracts.partitioning import record_key
from contracts.settings import Settings
from contracts.topics import HOP_STARTS, TWEETS, VOCAB_COUNTS
from tests.support.installation import PARTITIONS
from tests.support.transport_hops import (
    Counting,
    assert_each_counted_once,
    drained,
    eventually,
    evict_members,
    read_visible,
    start_child,
)
from transport.hop.hop import ExactlyOnceHop
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.kafka.writer import KafkaWriter

TOPICS = [TWEETS, VOCAB_COUNTS, HOP_STARTS]


async def write_tweets(settings: Settings, count: int) -> None:
    async with KafkaWriter(settings) as writer:
        for number in range(count):
            await writer.send(TWEETS, record_key(number), b"%d" % number)


def counting_hop(settings: Settings) -> ExactlyOnceHop:
    return ExactlyOnceHop(
        KafkaCluster(settings),
        "counting",
        [TWEETS],
        lambda _: Counting(settings),
        partitions=PARTITIONS,
        max_records=50,
        linger_ms=0,
    )


async def died(child: "subprocess.Popen[bytes]") -> None:
    async def holds() -> bool:
        return child.poll() is not None

    await eventually(holds, "the child dies", 0.02)


async def test_a_hop_killed_again_and_again_gives_each_input_one_output_from_rebuilt_state(
    settings: Settings, tmp_path: Path
) -> None:
    kafka_admin.apply(settings, TOPICS)
    await write_tweets(settings, 3000)
    chosen = random.Random(7)
    plans = ["kill-before-commit:2", *(f"kill:{chosen.uniform(0, 0.08):.3f}" for _ in range(3))]
    for plan in plans:
        child = start_child(settings, "counting", plan, tmp_path / "child.log")
        await died(child)
        assert child.returncode == -signal.SIGKILL, (tmp_path / "child.log").read_text()
        evict_members(settings, "counting")
    hop = counting_hop(settings)
    running = asyncio.create_task(hop.run())
    await drained(settings, "counting")
    await hop.stop()
    await running
    await assert_each_counted_once(settings)


async def test_an_owner_that_was_frozen_in_mid_transaction_is_fenced_and_its_output_stays_invisible(
    settings: Settings, tmp_path: Path
) -> None:
    kafka_admin.apply(settings, TOPICS)
    await write_tweets(settings, 400)
    log = tmp_path / "child.log"
    frozen = start_child(settings, "counting", "freeze-before-commit:3", log)
    hop = counting_hop(settings)
    try:
        await eventually(lambda: is_frozen(frozen.pid), "the child freezes", 0.02)
        evict_members(settings, "counting")
        running = asyncio.create_task(hop.run())
        await drained(settings, "counting")
        before = await read_visible(settings, VOCAB_COUNTS)
        frozen.send_signal(signal.SIGCONT)
        await eventually(lambda: says(log, "younger owner"), "it is fenced")
        assert await read_visible(settings, VOCAB_COUNTS) == before
        frozen.send_signal(signal.SIGTERM)
        await died(frozen)
        assert frozen.returncode == 0
        await hop.stop()
        await running
    finally:
        if frozen.poll() is None:
            frozen.kill()
            frozen.wait()
    await assert_each_counted_once(settings)


async def says(log: Path, words: str) -> bool:
    return words in log.read_text()


async def is_frozen(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def test_instances_that_join_and_leave_in_mid_stream_lose_and_double_nothing(settings: Settings) -> None:
    kafka_admin.apply(settings, TOPICS)
    first, second = counting_hop(settings), counting_hop(settings)
    running = [asyncio.create_task(first.run())]
    async with KafkaWriter(settings) as writer:

        async def stream(numbers: range) -> None:
            for number in numbers:
                await writer.send(TWEETS, record_key(number), b"%d" % number)
                if number % 50 == 0:
                    await asyncio.sleep(0.005)

        async def owns(hop: ExactlyOnceHop, partitions: int) -> None:
            async def holds() -> bool:
                return len(hop.partitions) == partitions

            await eventually(holds, f"an instance owns {partitions} partitions", 0.02)

        await owns(first, 4)
        writing = asyncio.create_task(stream(range(8000)))
        running.append(asyncio.create_task(second.run()))
        await owns(second, 2)
        await owns(first, 2)
        await first.stop()
        await owns(second, 4)
        await writing
    await drained(settings, "counting")
    await second.stop()
    await asyncio.gather(*running)
    await assert_each_counted_once(settings)

"""A hop in its own process that dies or freezes as planned. Run by the tests of the hop.

    python -m tests.support.transport_child GROUP PLAN

PLAN: `kill:SECONDS` (SIGKILL that long after the first batch), `kill-before-commit:N` or `freeze-before-commit:N`
(SIGKILL or SIGSTOP when the N-th transaction has been sent completely but not committed).
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from contracts.settings import Settings
from contracts.settings_sources import load
from contracts.topics import TWEETS
from tests.support.installation import PARTITIONS
from tests.support.transport_hops import Counting
from transport.hop.hop import ExactlyOnceHop, Output
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import LogRecord


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingSoon(Counting):
    """Starts a timer with its first batch, so that the process dies anywhere in read, process, send or commit."""

    def __init__(self, settings: Settings, seconds: float) -> None:
        super().__init__(settings)
        self.seconds = seconds

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        asyncio.get_running_loop().call_later(self.seconds, die)
        return await super().process(records)


def signal_before_commit(number: int, chosen: signal.Signals) -> None:
    commit = AIOKafkaProducer.commit_transaction
    begun = 0

    async def commit_after_signal(producer: AIOKafkaProducer) -> None:
        nonlocal begun
        begun += 1
        if begun == number:
            await producer.flush()
            os.kill(os.getpid(), chosen)
        await commit(producer)

    AIOKafkaProducer.commit_transaction = commit_after_signal


async def run(group: str, plan: str) -> None:
    settings = load()
    kind, _, value = plan.partition(":")
    seconds = float("inf")
    if kind == "kill":
        seconds = float(value)
    elif kind.endswith("-before-commit"):
        signal_before_commit(int(value), signal.SIGKILL if kind.startswith("kill") else signal.SIGSTOP)
    make = (lambda number: DyingSoon(settings, seconds)) if kind == "kill" else (lambda number: Counting(settings))
    hop = ExactlyOnceHop(
        KafkaCluster(settings), group, [TWEETS], make, partitions=PARTITIONS, max_records=50, linger_ms=0
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: asyncio.ensure_future(hop.stop()))
    await hop.run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(run(sys.argv[1], sys.argv[2]))

"""The exactly-once hop: read Kafka topics, keep state, send outputs. Outputs and offsets share one transaction.

Each instance has one consumer; their group (the prefix and the hop's name) spreads the partition numbers over the
instances on all machines. Each assigned number has its own `Processor` and its own transactional producer, whose id
is the group and the number. Initializing the producer fences the number's previous owner, wherever it runs. Only then
are the committed offsets fetched, so the previous owner cannot commit after that. Downstream must read committed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence

from contracts.errors import ServerUnavailable, TopicsDiffer
from contracts.topics import HOP_STARTS, Topic
from transport import metrics
from transport.backoff import pauses
from transport.hop.partition import HopPartition
from transport.ports.clock import Clock
from transport.ports.kafka import GroupConsumer, Kafka
from transport.ports.kafka_records import ConsumerLost, Fenced, KafkaFailed, TopicPartition
from transport.processor import Output, Position, Processor
from transport.system.clock import SYSTEM_CLOCK

__all__ = ["ExactlyOnceHop", "Output", "Position", "Processor"]

log = logging.getLogger(__name__)

SESSION_TIMEOUT_MS = 10_000  # a killed instance's partitions move after this
DRAIN_S = 20.0  # a batch still unfinished this long after a revocation is aborted
CHECK_S = 1.0  # how soon a group membership that broke down is noticed
REJOIN_S = 1.0  # after being fenced: two that claim one partition must not fight at full speed


class ExactlyOnceHop:
    """One instance of a hop. `run` runs until `stop`. Instances may run anywhere, at most one per partition number.

    topics: co-partitioned topics; partition number p of all of them goes to the same processor. make_processor(p)
    makes the processor of number p. partitions: how many each topic must have. max_records: the most records in one
    batch or one replay. linger_ms: how long a batch waits for more records after its first ones.
    """

    def __init__(
        self,
        kafka: Kafka,
        name: str,
        topics: Sequence[Topic],
        make_processor: Callable[[int], Processor],
        *,
        partitions: int,
        max_records: int = 5000,
        linger_ms: int = 20,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self._kafka = kafka
        self._topics = [topic.name for topic in topics]
        self._make_processor = make_processor
        self._partitions = partitions
        self._max_records = max_records
        self._linger_s = linger_ms / 1000
        self._session_timeout_ms = session_timeout_ms
        self._clock = clock
        self._stopping = asyncio.Event()
        self._finished = asyncio.Event()
        self._finished.set()
        self._running: dict[HopPartition, asyncio.Task[None]] = {}
        self._failure: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Run until `stop`. Waits for a broker that is away; raises what a processor raises."""
        self._finished.clear()
        try:
            for pause in pauses():
                try:
                    await self._session()
                    return
                except (KafkaFailed, ConsumerLost, ServerUnavailable) as error:
                    log.warning("hop %s: %s; trying again in %.1f s", self.name, error, pause)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)
                    return
        finally:
            self._finished.set()

    @property
    def partitions(self) -> list[int]:
        """The partition numbers that this instance owns now, or is about to."""
        return sorted(partition.number for partition in self._running)

    async def stop(self) -> None:
        """Commit the batches in progress, or abort them after `DRAIN_S`; then leave the group, and `run` returns."""
        self._stopping.set()
        await self._finished.wait()

    async def _session(self) -> None:
        """One membership of the group, until stopped or until something fails."""
        failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failure = failure
        async with self._kafka.member(self.name, session_timeout_ms=self._session_timeout_ms) as consumer:
            await self._check_topics(consumer)
            listener = _Listener(self, consumer)
            stopping = asyncio.create_task(self._wait_until_stopping())
            try:
                consumer.subscribe(self._topics, listener)
                while not stopping.done():
                    await asyncio.wait([stopping, failure], timeout=CHECK_S, return_when=asyncio.FIRST_COMPLETED)
                    if failure.done():
                        failure.result()
                    consumer.check()
            finally:
                stopping.cancel()
                listener.leaving = True  # a rebalance may end while we leave: what it assigns is no longer begun
                await self._release()

    async def _wait_until_stopping(self) -> None:
        await self._stopping.wait()

    async def _check_topics(self, consumer: GroupConsumer) -> None:
        counts = await consumer.topics()
        if missing := {*self._topics, HOP_STARTS.name} - counts.keys():
            raise ServerUnavailable(
                f"{self._kafka.address} has no topics {sorted(missing)}: make them with `driftline topics apply`"
            )
        if other := {topic: counts[topic] for topic in self._topics if counts[topic] != self._partitions}:
            raise TopicsDiffer(
                f"hop {self.name} reads topics of {self._partitions} partitions; {self._kafka.address} has {other}"
            )

    async def _release(self) -> None:
        """Release all partitions: commit their batches, or abort them if that takes too long."""
        tasks = dict(self._running)
        self._running.clear()
        for partition in tasks:
            partition.release()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks.values(), timeout=DRAIN_S)
        for task in late:
            log.warning(
                "hop %s: a batch was not done %.0f s after its partition was revoked; aborting it", self.name, DRAIN_S
            )
            task.cancel()
        if late:
            await asyncio.wait(late)

    def _assign(self, consumer: GroupConsumer, assigned: Sequence[TopicPartition]) -> None:
        topics = set(self._topics)
        numbers = sorted({partition.partition for partition in assigned})
        log.info("hop %s: partitions %s", self.name, numbers)
        for number in numbers:
            of_number = {partition.topic for partition in assigned if partition.partition == number}
            if number >= self._partitions or of_number != topics:
                self._fail(
                    TopicsDiffer(f"hop {self.name}: {self._topics} no longer have {self._partitions} partitions each")
                )
                return
            partition = HopPartition(
                self._kafka,
                self.name,
                number,
                consumer,
                self._topics,
                self._make_processor,
                self._max_records,
                self._linger_s,
                self._clock,
            )
            task = asyncio.create_task(partition.run(), name=f"hop {self.name}, partition {number}")
            task.add_done_callback(lambda task: self._done(consumer, task))
            self._running[partition] = task

    def _done(self, consumer: GroupConsumer, task: "asyncio.Task[None]") -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, Fenced):
            log.warning("hop %s: %s; joining the group anew", self.name, error)
            metrics.HOP_FENCED.labels(self.name).inc()
            asyncio.get_running_loop().call_later(REJOIN_S, consumer.rejoin)
        else:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)


class _Listener:
    """Starts the partitions that the group assigns to the hop, and ends those that it revokes."""

    def __init__(self, hop: ExactlyOnceHop, consumer: GroupConsumer) -> None:
        self._hop = hop
        self._consumer = consumer
        self.leaving = False

    async def revoked(self) -> None:
        """See `RebalanceListener`."""
        await self._hop._release()

    async def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """See `RebalanceListener`."""
        if not self.leaving:
            self._hop._assign(self._consumer, partitions)

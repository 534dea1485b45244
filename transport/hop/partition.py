"""One input partition number of a hop, from its assignment to its revocation.

    own (init transactions) -> committed offsets -> resume -> replay -> [ read -> process -> commit ] ...

After any failure past `own`, the producer and the processor are discarded, and the partition starts again at `own`
from the committed offsets. Where the log cannot be read on from there, the partition stays stopped.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from contracts.errors import DriftlineError, ServerUnavailable
from contracts.topics import ALL
from transport import metrics
from transport.backoff import pauses
from transport.hop.input import HopInput, Stopped
from transport.hop.position import Verdict, to_committed
from transport.hop.standing import LogUnusable, Standing
from transport.ports.clock import Clock
from transport.ports.kafka import GroupConsumer, Kafka, TransactionalProducer
from transport.ports.kafka_records import KafkaFailed, LogRecord, TopicPartition
from transport.processor import Output, Position, Processor

log = logging.getLogger(__name__)

# Errors that may be gone at the next attempt: a server that is away, an offset that retention has overtaken.
PASSING = (KafkaFailed, ServerUnavailable, OSError, TimeoutError)

LOOK_AFTER_S = 1.0  # how often a processor may look after what it has written elsewhere
IDENTIFY_S = 5.0  # how often the topics are compared with those that the hop began to read

_SINGLE = {topic.name for topic in ALL if topic.single}


class HopPartition:
    """Processes one partition number of the `topics` of hop `name`: `run` runs until `release`."""

    def __init__(
        self,
        kafka: Kafka,
        name: str,
        number: int,
        consumer: GroupConsumer,
        topics: Sequence[str],
        make_processor: Callable[[int], Processor],
        max_records: int,
        linger_s: float,
        clock: Clock,
    ) -> None:
        self._kafka = kafka
        self._name = name
        self.number = number
        self._make_processor = make_processor
        self._max_records = max_records
        self._linger_s = linger_s
        self._clock = clock
        self._stopping = asyncio.Event()
        self._input = HopInput(kafka.address, consumer, topics, number, self._stopping)
        self._pauses = pauses()
        self._positions: Mapping[str, Position] = {}  # as of the newest `_resume`
        self._identified_us = clock.monotonic_us()

    def release(self) -> None:
        """Release the partition once the batch in progress is committed."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until released. Raises `Fenced` if another owner began, `ConsumerLost`, and what `process` raises."""
        try:
            while True:
                try:
                    await self._live()
                except PASSING as error:
                    pause = next(self._pauses)
                    metrics.HOP_ABORTS.labels(self._name).inc()
                    log.warning(
                        "hop %s, partition %d: %s; resuming from what was committed in %.1f s",
                        self._name,
                        self.number,
                        self._described(error),
                        pause,
                    )
                    await self._input.pause(pause)
        except LogUnusable as error:
            await self._stay_stopped(error)
        except Stopped:
            return

    async def _stay_stopped(self, error: LogUnusable) -> None:
        log.error("%s", error)
        stopped = metrics.HOP_STOPPED.labels(self._name, str(self.number))
        stopped.set(1)
        await self._stopping.wait()
        stopped.set(0)

    def _described(self, error: BaseException) -> str:
        """The error's text with the server's address, which our own errors already contain."""
        if isinstance(error, DriftlineError):
            return str(error)
        return f"{error!r} ({self._kafka.address})"

    async def _live(self) -> None:
        async with self._kafka.own(self._name, self.number) as producer:
            processor = self._make_processor(self.number)
            committed = await self._resume(producer, processor)
            looked_us = self._clock.monotonic_us()
            while not self._stopping.is_set():
                if self._seconds_since(looked_us) >= LOOK_AFTER_S:
                    await self._look_after(processor)
                    looked_us = self._clock.monotonic_us()
                records = await self._input.read(self._max_records, processor.paused(), self._linger_s)
                positions = await self._input.positions()
                if positions == committed:
                    continue
                outputs = await self._process(processor, records) if records else []
                await self._commit(producer, outputs, positions, processor.metadata())
                metrics.HOP_RECORDS.labels(self._name).inc(len(records))
                committed = positions
                self._pauses = pauses()
            raise Stopped

    async def _resume(self, producer: TransactionalProducer, processor: Processor) -> dict[TopicPartition, int]:
        """Bring a new processor to the committed state; returns the offsets of that state."""
        standing = Standing(self._kafka, self._name, self.number, self._input, producer)
        logs = await self._input.logs()
        self._positions = positions = await standing.find(processor, logs)
        again = await processor.resume(positions)
        for topic, offset in again.items():
            if offset > positions[topic].offset:
                raise ValueError(f"hop {self._name}: resume() asks to re-read {topic} from past the committed offset")
            if offset < logs[topic].begin:
                raise standing.unusable(topic, Verdict.DELETED, offset, logs[topic])
        starts = {topic: position.offset for topic, position in positions.items()} | dict(again)
        self._input.seek(starts)
        ranges = {topic: (starts[topic], positions[topic].offset) for topic in again}
        async for records in self._input.reread(ranges, self._max_records):
            await processor.replay(records)
            metrics.HOP_REPLAYED.labels(self._name).inc(len(records))
        return await self._input.positions()

    async def _look_after(self, processor: Processor) -> None:
        await processor.look_after()
        now_us = self._clock.monotonic_us()
        if now_us - self._identified_us < IDENTIFY_S * 1_000_000:
            return
        self._identified_us = now_us
        for topic, topic_id in (await self._input.topic_ids()).items():
            if topic_id != self._positions[topic].topic_id:
                raise KafkaFailed(f"{self._kafka.address}: topic {topic} was made anew")

    async def _process(self, processor: Processor, records: Sequence[LogRecord]) -> Sequence[Output]:
        began_us = self._clock.monotonic_us()
        outputs = await processor.process(records)
        metrics.HOP_PROCESS_SECONDS.labels(self._name).inc(self._seconds_since(began_us))
        return outputs

    async def _commit(
        self,
        producer: TransactionalProducer,
        outputs: Sequence[Output],
        positions: Mapping[TopicPartition, int],
        metadata: str,
    ) -> None:
        began_us = self._clock.monotonic_us()
        await producer.commit(
            [self._placed(output) for output in outputs],
            {
                partition: to_committed(self._positions[partition.topic]._replace(offset=offset, metadata=metadata))
                for partition, offset in positions.items()
            },
        )
        metrics.HOP_COMMIT_SECONDS.labels(self._name).inc(self._seconds_since(began_us))
        metrics.HOP_COMMITS.labels(self._name).inc()
        metrics.HOP_OUTPUTS.labels(self._name).inc(len(outputs))

    def _seconds_since(self, began_us: int) -> float:
        return (self._clock.monotonic_us() - began_us) / 1_000_000

    def _placed(self, output: Output) -> Output:
        """The output with a partition: one with neither partition nor key gets the number of its input."""
        if output.partition is not None or output.key is not None:
            return output
        return replace(output, partition=0 if output.topic in _SINGLE else self.number)

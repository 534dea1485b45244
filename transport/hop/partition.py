"""One input partition number of a hop, from its assignment to its revocation.

    own (init transactions) -> committed offsets -> resume -> replay -> [ read -> process -> commit ] ...

After any failure past `own`, the producer and the processor are discarded, and the partition starts again at `own`
from the committed offsets.
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
from transport.ports.clock import Clock
from transport.ports.kafka import GroupConsumer, Kafka, TransactionalProducer
from transport.ports.kafka_records import Committed, KafkaFailed, LogRecord, TopicPartition
from transport.processor import MAX_METADATA_BYTES, Output, Processor

log = logging.getLogger(__name__)

# Errors that may be gone at the next attempt: a server that is away, an offset that retention has overtaken.
PASSING = (KafkaFailed, ServerUnavailable, OSError, TimeoutError)

_PARTITIONS = {topic.name: topic.partitions for topic in ALL}


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
        except Stopped:
            return

    def _described(self, error: BaseException) -> str:
        """The error's text with the server's address, which our own errors already contain."""
        if isinstance(error, DriftlineError):
            return str(error)
        return f"{error!r} ({self._kafka.address})"

    async def _live(self) -> None:
        async with self._kafka.own(self._name, self.number) as producer:
            processor = self._make_processor(self.number)
            committed = await self._resume(processor)
            while not self._stopping.is_set():
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

    async def _resume(self, processor: Processor) -> dict[TopicPartition, int]:
        """Bring a new processor to the committed state; returns the positions of that state."""
        committed = await self._input.committed()
        again = await processor.resume(committed)
        if early := [topic for topic, offset in again.items() if offset > committed.get(topic, (0, ""))[0]]:
            raise ValueError(f"hop {self._name}: resume() asks to re-read {early} from past the committed offset")
        starts = await self._input.seek({topic: offset for topic, (offset, _) in committed.items()} | dict(again))
        ranges = {topic: (starts[topic], committed[topic][0]) for topic in again if topic in committed}
        async for records in self._input.reread(ranges, self._max_records):
            await processor.replay(records)
            metrics.HOP_REPLAYED.labels(self._name).inc(len(records))
        return await self._input.positions()

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
        if len(metadata.encode()) >= MAX_METADATA_BYTES:
            raise ValueError(f"hop {self._name}: metadata of {len(metadata)} characters is past {MAX_METADATA_BYTES}")
        began_us = self._clock.monotonic_us()
        await producer.commit(
            [self._placed(output) for output in outputs],
            {partition: Committed(offset, metadata) for partition, offset in positions.items()},
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
        return replace(output, partition=self.number % _PARTITIONS[output.topic])

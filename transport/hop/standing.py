"""Finds where a partition of a hop goes on, and refuses where that cannot be known or read.

A hop that begins says so on `hop-starts`, in the transaction that commits its first offsets. So offsets that expired
(by Kafka's default a week after the group's last member left) can be told from those of a hop that never ran.
"""

import logging
from collections.abc import Mapping

from contracts.codec import Codec, serialize
from contracts.errors import DriftlineError
from contracts.records import HopStarted
from contracts.topics import HOP_STARTS
from transport.hop.input import HopInput
from transport.hop.position import Log, Verdict, explain, from_committed, judge, judge_position, to_committed
from transport.kafka.state_log import read_latest
from transport.ports.kafka import Kafka, TransactionalProducer
from transport.ports.kafka_records import Output
from transport.processor import Position, Processor

_log = logging.getLogger(__name__)

_started = Codec(HopStarted).deserialize


class LogUnusable(DriftlineError):
    """A partition cannot be read on from where its hop stands. It stays stopped until a person decides."""


class Standing:
    """Partition `number` of hop `name`, which `producer` owns."""

    def __init__(
        self, kafka: Kafka, name: str, number: int, source: HopInput, producer: TransactionalProducer
    ) -> None:
        self._kafka = kafka
        self._name = name
        self._number = number
        self._source = source
        self._producer = producer

    async def find(self, processor: Processor, logs: Mapping[str, Log]) -> dict[str, Position]:
        """Topic -> where to go on: as committed, by the processor's own state, or at the beginning of a new hop.

        Raises `LogUnusable`.
        """
        committed = await self._source.committed()
        if not committed:
            return await self._without_commits(processor, logs)
        positions = {}
        for topic, log in logs.items():
            found = committed.get(topic)
            position = from_committed(found) if found else None
            verdict = judge(found, log)
            if verdict is not Verdict.OK or position is None:
                raise self.unusable(topic, verdict, found.offset if found else 0, log)
            positions[topic] = position
        return positions

    def unusable(self, topic: str, verdict: Verdict, offset: int, log: Log) -> LogUnusable:
        """The error for a log that cannot be read on from `offset`."""
        return LogUnusable(
            f"hop {self._name} cannot go on in {topic}[{self._number}]: {explain(verdict, offset, log)}. This "
            "partition is stopped, the others go on. Look at it with `driftline offsets show`; then stop the "
            "processes that run the hop, and go on with "
            f"`driftline offsets reset {self._name} --partition {self._number}`"
        )

    async def _without_commits(self, processor: Processor, logs: Mapping[str, Log]) -> dict[str, Position]:
        found = (await read_latest(self._kafka, HOP_STARTS, 0)).get(_key(self._name, self._number))
        if found is not None:
            positions = await self._recovered(processor, logs, _started(found).topic_ids)
        else:
            words = processor.metadata()
            positions = {topic: Position(log.begin, words, log.topic_id, log.begin) for topic, log in logs.items()}
        partitions = self._source.partitions
        ids = {topic: log.topic_id for topic, log in logs.items()}
        await self._producer.commit(
            [start_of(self._name, self._number, ids)],
            {partitions[topic]: to_committed(position) for topic, position in positions.items()},
        )
        return positions

    async def _recovered(
        self, processor: Processor, logs: Mapping[str, Log], began_ids: Mapping[str, str]
    ) -> dict[str, Position]:
        found = await processor.recover()
        positions = {}
        for topic, log in logs.items():
            position = found.get(topic) if found is not None else None
            if position is None:
                raise self.unusable(topic, judge(None, log, began_ids.get(topic)), 0, log)
            known = position._replace(topic_id=position.topic_id or began_ids.get(topic, log.topic_id))
            verdict = judge_position(known, log)
            if verdict is not Verdict.OK:
                raise self.unusable(topic, verdict, position.offset, log)
            positions[topic] = known
        _log.warning(
            "hop %s, partition %d: its committed offsets expired; it goes on from those of its own state, %s",
            self._name,
            self._number,
            {topic: position.offset for topic, position in positions.items()},
        )
        return positions


def start_of(hop: str, number: int, topic_ids: Mapping[str, str]) -> Output:
    """The record that says that `hop` has begun to read these topics."""
    record = HopStarted(hop=hop, partition=number, topic_ids=dict(topic_ids))
    return Output(HOP_STARTS.name, serialize(record), _key(hop, number), partition=0)


def _key(hop: str, number: int) -> bytes:
    return f"{hop}-{number}".encode()

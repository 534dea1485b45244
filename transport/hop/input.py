"""The input of one partition number of a hop, over all the hop's topics: committed offsets, seeks, batches.

The partitions of a hop share one consumer and read from it concurrently, each only its own topic-partitions.
A position is the offset that the next fetch begins at. It also moves past transaction markers, aborted records and
compaction holes. So positions are committed and compared, never "the last record's offset + 1".
"""

import asyncio
import bisect
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from transport.hop.position import Log
from transport.ports.kafka import GroupConsumer
from transport.ports.kafka_records import Committed, KafkaFailed, LogRecord, TopicPartition
from transport.waiting import say_silent

POLL_S = 0.2  # how long one read waits for records
SILENT_S = 10.0  # a broker that has not answered a fetch for so long is reported, as often

ResultT = TypeVar("ResultT")


class Stopped(Exception):
    """The partition must be released."""


class HopInput:
    """Partition `number` of `topics`, read through `consumer` until `stopping` is set.

    server: Kafka's name, for messages. Every method that waits raises `Stopped` once `stopping` is set,
    `OffsetOutOfRange` if retention overtook the position, and `ConsumerLost` if the consumer failed for good.
    """

    def __init__(
        self, server: str, consumer: GroupConsumer, topics: Sequence[str], number: int, stopping: asyncio.Event
    ) -> None:
        self._server = server
        self._consumer = consumer
        self._stopping = stopping
        self.partitions = {topic: TopicPartition(topic, number) for topic in topics}
        self._say_after_s = SILENT_S

    async def committed(self) -> dict[str, Committed]:
        """Topic -> what was last committed; topics never committed are absent."""
        found = await self._unless_stopped(self._consumer.committed(list(self.partitions.values())))
        return {partition.topic: position for partition, position in found.items()}

    async def topic_ids(self) -> dict[str, str]:
        """Topic -> its id. Raises `KafkaFailed` for a topic that does not exist (any more)."""
        found = await self._unless_stopped(self._consumer.topic_ids(list(self.partitions)))
        if missing := self.partitions.keys() - found.keys():
            raise KafkaFailed(f"{self._server} has no topics {sorted(missing)}")
        return found

    async def logs(self) -> dict[str, Log]:
        """Topic -> what its partition is now."""
        partitions, ids = list(self.partitions.values()), await self.topic_ids()
        begins = await self._unless_stopped(self._consumer.begins(partitions))
        ends = await self._unless_stopped(self._consumer.ends(partitions))
        return {topic: Log(ids[topic], begins[at], ends[at]) for topic, at in self.partitions.items()}

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Read on from `offsets`, of every topic."""
        for topic, partition in self.partitions.items():
            self._consumer.seek(partition, offsets[topic])

    async def reread(self, ranges: Mapping[str, tuple[int, int]], most: int) -> AsyncIterator[list[LogRecord]]:
        """Records of `ranges` (topic -> [start, stop)), at most `most` at a time; positions end at the stops."""
        stops = {self.partitions[topic]: stop for topic, (start, stop) in ranges.items() if start < stop}
        for topic, (start, _) in ranges.items():
            self._consumer.seek(self.partitions[topic], start)
        while stops:
            found = await self._read(list(stops), most)
            wanted: list[LogRecord] = []
            for partition, records in found.items():
                wanted += records[: bisect.bisect_left(records, stops[partition], key=attrgetter("offset"))]
            for partition, stop in list(stops.items()):
                if await self._consumer.position(partition) >= stop:
                    self._consumer.seek(partition, stop)  # what was read past the stop is read once more
                    del stops[partition]
            if wanted:
                yield wanted

    async def read(self, most: int, paused: frozenset[str], linger_s: float) -> list[LogRecord]:
        """The next records, at most `most`; waits `linger_s` for more after the first ones. [] if none come."""
        partitions = [partition for topic, partition in self.partitions.items() if topic not in paused]
        if not partitions:
            await self.pause(POLL_S)
            return []
        records = _flatten(await self._read(partitions, most))
        if not records:
            self._say_if_silent(partitions)
        elif len(records) < most and linger_s:
            await self.pause(linger_s)
            records += _flatten(await self._read(partitions, most - len(records), timeout_s=0))
        return records

    async def positions(self) -> dict[TopicPartition, int]:
        """The position of every topic."""
        return {partition: await self._consumer.position(partition) for partition in self.partitions.values()}

    async def pause(self, seconds: float) -> None:
        """Wait `seconds`, or until stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
            raise Stopped

    async def _read(
        self, partitions: Sequence[TopicPartition], most: int, timeout_s: float = POLL_S
    ) -> dict[TopicPartition, list[LogRecord]]:
        return await self._unless_stopped(self._consumer.read(partitions, most, timeout_s))

    async def _unless_stopped(self, awaitable: Awaitable[ResultT]) -> ResultT:
        """Avoids a deadlock: a read may wait for a rebalance that itself waits for this partition's release."""
        reading = asyncio.ensure_future(awaitable)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                raise Stopped
            return reading.result()
        finally:
            for task in (reading, stopping):
                task.cancel()
            await asyncio.wait({reading, stopping})

    def _say_if_silent(self, partitions: Sequence[TopicPartition]) -> None:
        silence_s = self._consumer.silence_s(partitions)
        if silence_s is None or silence_s <= SILENT_S:
            self._say_after_s = SILENT_S
        elif silence_s > self._say_after_s:
            self._say_after_s = silence_s + SILENT_S
            say_silent(self._server, silence_s, f"no fetch of {partitions[0].topic} is answered")


def _flatten(found: Mapping[TopicPartition, list[LogRecord]]) -> list[LogRecord]:
    return [record for records in found.values() for record in records]

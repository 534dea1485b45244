"""What one input partition number of a hop reads, of all the hop's topics: committed offsets, seeks, batches.

The partitions of a hop share one consumer and read from it concurrently, each only its own topic-partitions.
A position is the offset that the next fetch begins at. It also passes transaction markers, aborted data and
holes of compaction, so it is what is committed and compared, never "the last record's offset + 1".
"""

import asyncio
import bisect
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError, OffsetOutOfRangeError

from contracts.settings import Settings
from transport.kafka.waiting import say_silent

log = logging.getLogger(__name__)

POLL_MS = 200  # how long one read waits for records
SILENT_S = 10.0  # a broker that has not answered a fetch for so long is reported, as often

ResultT = TypeVar("ResultT")


class ConsumerLost(Exception):
    """The consumer that a hop's partitions share failed; the hop must join the group anew."""


class Stopped(Exception):
    """The partition is to be let go."""


class HopInput:
    """Partition `number` of `topics` (without prefix), read through `consumer` until `stopping` is set.

    Every method that waits raises `Stopped` once `stopping` is set, `OffsetOutOfRangeError` if retention overtook
    the position, and `ConsumerLost` if the consumer failed for good.
    """

    def __init__(
        self,
        settings: Settings,
        consumer: AIOKafkaConsumer,
        topics: Sequence[str],
        number: int,
        stopping: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._stopping = stopping
        self.partitions = {topic: TopicPartition(settings.prefix + topic, number) for topic in topics}
        self._said_silent_at = time.time()

    async def committed(self) -> dict[str, tuple[int, str]]:
        """Topic -> (offset, metadata) as last committed; topics never committed are absent."""
        # `consumer.committed` would drop the metadata.
        offsets = await self._unless_stopped(
            self._consumer._coordinator.fetch_committed_offsets(list(self.partitions.values()))
        )
        found = {topic: offsets[partition] for topic, partition in self.partitions.items() if partition in offsets}
        return {topic: (position.offset, position.metadata) for topic, position in found.items()}

    async def seek(self, offsets: Mapping[str, int]) -> dict[str, int]:
        """Go to `offsets`, and to the beginning of topics that are not in it; returns where reading begins.

        An offset that the log does not hold (any more) is an error logged, and reading begins at the beginning.
        """
        partitions = list(self.partitions.values())
        begins = await self._unless_stopped(self._consumer.beginning_offsets(partitions))
        ends = await self._unless_stopped(self._consumer.end_offsets(partitions))
        result = {}
        for topic, partition in self.partitions.items():
            begin, end = begins[partition], ends[partition]
            offset = offsets.get(topic, begin)
            if not begin <= offset <= end:
                log.error(
                    "%s[%d] is to be read from offset %d, but holds [%d, %d): records were lost to retention, or the "
                    "topic was made anew; reading from %d",
                    partition.topic, partition.partition, offset, begin, end, begin,
                )  # fmt: skip
                offset = begin
            self._consumer.seek(partition, offset)
            result[topic] = offset
        return result

    async def reread(self, ranges: Mapping[str, tuple[int, int]], most: int) -> AsyncIterator[list[ConsumerRecord]]:
        """Records of `ranges` (topic -> [start, stop)), at most `most` at a time; then positions are at the stops."""
        stops = {self.partitions[topic]: stop for topic, (start, stop) in ranges.items() if start < stop}
        for topic, (start, _) in ranges.items():
            self._consumer.seek(self.partitions[topic], start)
        while stops:
            found = await self._getmany(list(stops), most)
            wanted: list[ConsumerRecord] = []
            for partition, records in found.items():
                wanted += records[: bisect.bisect_left(records, stops[partition], key=attrgetter("offset"))]
            for partition, stop in list(stops.items()):
                if await self._consumer.position(partition) >= stop:
                    self._consumer.seek(partition, stop)  # what was read past the stop is read once more
                    del stops[partition]
            if wanted:
                yield wanted

    async def read(self, most: int, paused: frozenset[str], linger_s: float) -> list[ConsumerRecord]:
        """At most `most` next records; after the first ones it waits `linger_s` for more. [] if none come."""
        partitions = [partition for topic, partition in self.partitions.items() if topic not in paused]
        if not partitions:
            await self.pause(POLL_MS / 1000)
            return []
        records = _flatten(await self._getmany(partitions, most))
        if not records:
            self._say_if_silent(partitions)
        elif len(records) < most and linger_s:
            await self.pause(linger_s)
            records += _flatten(await self._getmany(partitions, most - len(records), timeout_ms=0))
        return records

    async def positions(self) -> dict[TopicPartition, int]:
        """Where reading stands, of every topic."""
        return {partition: await self._consumer.position(partition) for partition in self.partitions.values()}

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than until stopped."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
            raise Stopped

    async def _getmany(
        self, partitions: Sequence[TopicPartition], most: int, timeout_ms: int = POLL_MS
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        try:
            return await self._unless_stopped(
                self._consumer.getmany(*partitions, timeout_ms=timeout_ms, max_records=most)
            )
        except (OffsetOutOfRangeError, IllegalStateError):
            raise
        except (KafkaError, ConsumerStoppedError) as error:
            raise ConsumerLost(f"the consumer failed: {error!r}") from error

    async def _unless_stopped(self, awaitable: Awaitable[ResultT]) -> ResultT:
        """A read may wait for the end of a rebalance, which waits for the partition to be let go."""
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
        now = time.time()
        heard = max((self._consumer.last_poll_timestamp(partition) or 0) / 1000 for partition in partitions)
        silent_since = max(heard, self._said_silent_at)
        if heard and now - silent_since > SILENT_S:
            self._said_silent_at = now
            say_silent(self._settings, now - heard, f"no fetch of {partitions[0].topic} is answered")


def _flatten(found: Mapping[TopicPartition, list[ConsumerRecord]]) -> list[ConsumerRecord]:
    return [record for records in found.values() for record in records]

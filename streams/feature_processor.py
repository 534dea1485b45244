"""feature-updates -> Redis: the single writer of a partition's entities.

Its position is in Redis, beside the values. If Redis is behind the committed offset (after a kill), the hop re-reads
the missing records and writes them again. If Redis is empty, or behind the newest snapshot (`feature_snapshots.py`),
it writes that first. A snapshot that the log no longer reaches back to stops the partition: counts would be missing.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from contracts.codec import Codec
from contracts.columnar import FeatureUpdates
from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from contracts.topics import FEATURE_UPDATES
from featurestore.store.errors import ViewLost
from featurestore.store.redis_layout import Keys
from featurestore.store.whole import WholeMark
from featurestore.store.writer import FeatureOwner
from streams.feature_snapshots import FeatureMetadata, FeatureSnapshots, Snapshot, find_snapshots, restore
from transport.dead_letters import as_bad_record, dead_letter
from transport.identity import claim
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import LogRecord
from transport.ports.redis import Redis
from transport.processor import Output, Position, Processor

_deserialize = Codec(FeatureUpdates).deserialize


class FeatureProcessor(Processor):
    """The entities of one partition of `feature-updates`."""

    def __init__(self, settings: Settings, kafka: Kafka, partition: int, redis: Redis) -> None:
        self._kafka = kafka
        self._redis = redis
        self._settings = settings
        self._partition = partition
        self._owner = FeatureOwner(redis, settings, partition)
        self._mark = WholeMark(
            redis, Keys(settings).whole_counters(partition), f"counters of partition {partition} of the feature store"
        )
        self._snapshots = FeatureSnapshots(self._owner, partition, "", FeatureMetadata())

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Re-read from the position in Redis; from where the newest snapshot began if Redis lacks more than that."""
        at = committed[FEATURE_UPDATES.name]
        former = await self._former(at.metadata)
        await claim(self._redis, self._settings)
        offset = await self._owner.resume()
        if (offset or 0) < at.offset:
            await self._mark.withdraw(offset or 0, at.offset)
        newest = former.newest
        if newest is not None and (offset is None or self._owner.base + offset < newest.base + newest.begin):
            offset = await self._restore(newest, at, former.base)
        elif offset is None:
            await self._owner.begin(former.base, 0)
            offset = 0
        self._snapshots = FeatureSnapshots(self._owner, self._partition, at.topic_id, former)
        return {FEATURE_UPDATES.name: min(max(offset, at.readable_from), at.offset)}

    async def _former(self, metadata: str) -> FeatureMetadata:
        if metadata:
            return msgspec.json.decode(metadata, type=FeatureMetadata)
        return await find_snapshots(self._kafka, self._partition)

    async def _restore(self, newest: Snapshot, at: Position, base: int) -> int:
        """Write the newest snapshot, and return the offset to read on from."""
        await restore(self._kafka, self._owner, self._partition, newest)
        if (newest.topic_id, newest.base) == (at.topic_id, base) and newest.begin <= at.offset:
            begin = newest.begin
        else:  # offsets began anew since; a person has chosen where to go on (`driftline offsets reset features`)
            begin, base = at.readable_from, newest.end - at.readable_from
        await self._owner.begin(base, begin)
        return begin

    async def recover(self) -> Mapping[str, Position]:
        """The position in Redis, or that of the newest snapshot."""
        former = await self._former("")
        offset = await self._owner.resume()
        if offset is None:
            offset = former.newest.begin if former.newest else 0
        else:
            former = msgspec.structs.replace(former, base=self._owner.base)
        topic_id = former.newest.topic_id if former.newest else ""
        return {FEATURE_UPDATES.name: Position(offset, msgspec.json.encode(former).decode(), topic_id)}

    def metadata(self) -> str:
        """The base of positions, and which snapshots there are."""
        return self._snapshots.metadata()

    async def look_after(self) -> None:
        """Notice a Redis that was wiped or has lost writes, also while there is nothing to write."""
        with _as_unavailable():
            await self._owner.check()
        await self._mark.give()

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Write the records that Redis lacks."""
        await self._apply(records)
        self._mark.reached(records[-1].offset + 1)

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """Write the whole batch at once, whatever its size, and go on with a snapshot that is due."""
        letters = await self._apply(records)
        last = records[-1]
        return letters + await self._snapshots.advance(last.offset + 1, last.timestamp)

    async def _apply(self, records: Sequence[LogRecord]) -> list[Output]:
        frames, letters = [], []
        for record in records:
            try:
                frames.append((record.offset, _deserialize(record.value or b"")))
            except Exception as error:  # noqa: BLE001 - no record may stop a worker
                letters.append(dead_letter(FEATURE_UPDATES, record, as_bad_record(error)))
        with _as_unavailable():
            await self._owner.apply(frames)
        return letters


@contextlib.contextmanager
def _as_unavailable() -> Iterator[None]:
    """After `ServerUnavailable` the hop resumes, and resuming writes again what Redis has lost."""
    try:
        yield
    except ViewLost as error:
        raise ServerUnavailable(f"{error}; it is written again") from error

"""feature-updates -> Redis: the single writer of a partition's entities.

This hop has no outputs. Its position is in Redis, beside the values. If Redis is behind the committed offset (after a
kill) or empty (after a wipe), the hop re-reads the missing records and writes them again.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence

from contracts.codec import Codec
from contracts.columnar import FeatureUpdates
from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from contracts.topics import FEATURE_UPDATES
from featurestore.store.errors import ViewLost
from featurestore.store.writer import FeatureOwner
from transport.dead_letters import as_bad_record, dead_letter
from transport.ports.kafka_records import LogRecord
from transport.ports.redis import Redis
from transport.processor import Output, Position, Processor

log = logging.getLogger(__name__)

_deserialize = Codec(FeatureUpdates).deserialize


class FeatureProcessor(Processor):
    """The entities of one partition of `feature-updates`."""

    def __init__(self, settings: Settings, partition: int, redis: Redis) -> None:
        self._partition = partition
        self._owner = FeatureOwner(redis, settings, partition)

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Re-read from the position in Redis; all that the log holds if Redis is empty."""
        at = committed[FEATURE_UPDATES.name]
        position = await self._owner.resume()
        if position is None and at.offset > 0:
            log.warning("Redis holds nothing of partition %d: writing it again from Kafka", self._partition)
        return {FEATURE_UPDATES.name: min(max(position or 0, at.readable_from), at.offset)}

    async def recover(self) -> Mapping[str, Position]:
        """The position in Redis."""
        return {FEATURE_UPDATES.name: Position(await self._owner.resume() or 0)}

    async def look_after(self) -> None:
        """Notice a Redis that was wiped or has lost writes, also while there is nothing to write."""
        with _as_unavailable():
            await self._owner.check()

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Write the records that Redis lacks."""
        await self._apply(records)

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """Write the whole batch at once, whatever its size."""
        return await self._apply(records)

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

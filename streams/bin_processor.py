"""bin-counts -> bins: the single writer of the bin edges, and of their view in Redis.

A window closes when every partition of `tweets` and of `candidates-served` has closed it (`docs/event_time.md` says
where their ticks come from). If `bins.supervised` names features, every partition of `examples` must have closed it
too.
"""

import logging
from collections.abc import Mapping

from contracts.codec import Codec, serialize
from contracts.columnar import BinCounts
from contracts.records import BinsVersion
from contracts.settings import Settings
from contracts.topics import BIN_COUNTS, BIN_STATE, BINS, CANDIDATES_SERVED, EXAMPLES, TWEETS
from featurestore.bins.owner import BinOwner
from featurestore.bins.redis_view import is_shown, write_bins
from featurestore.bins.settings import supervised_numbers
from streams.owner_processor import OwnerProcessor
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import LogRecord
from transport.ports.redis import Redis
from transport.processor import Output, Position

log = logging.getLogger(__name__)

_deserialize_version = Codec(BinsVersion).deserialize


def sources_of(settings: Settings) -> dict[str, frozenset[tuple[str, int]]]:
    """`Feature.counted_from` -> the partitions that count such features; `examples` are counted only for trees."""
    topics = {"tweets": TWEETS, "served": CANDIDATES_SERVED}
    if len(supervised_numbers(settings.bins)):
        topics["examples"] = EXAMPLES
    return {
        kind: frozenset((topic.name, partition) for partition in range(topic.partitions(settings)))
        for kind, topic in topics.items()
    }


class BinProcessor(OwnerProcessor[BinOwner]):
    """The owner of all bins; `bin-counts` has one partition, so there is one such processor."""

    counts, state, decisions, frame = BIN_COUNTS, BIN_STATE, BINS, BinCounts
    decides_on = "bins"

    def __init__(self, settings: Settings, kafka: Kafka, partition: int, redis: Redis) -> None:
        sources = sources_of(settings)
        super().__init__(
            settings,
            kafka,
            partition,
            BinOwner(settings.bins, sources),
            lambda packed: BinOwner.from_bytes(settings.bins, sources, packed),
        )

        self._redis = redis

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Restore the newest state, and show it: Redis may be wiped, and the next window may be a long time away."""
        again = await super().resume(committed)
        await write_bins(self._redis, self.settings, self.owner)
        return again

    async def look_after(self) -> None:
        """Show the edges again if Redis was wiped or has lost the newest ones."""
        if not await is_shown(self._redis, self.settings, self.owner):
            log.warning("Redis lacks the view of the bins: writing it again")
            await write_bins(self._redis, self.settings, self.owner)

    def numbered(self, record: LogRecord) -> int:
        """The version's sequence."""
        return _deserialize_version(record.value or b"").sequence

    async def decide(self) -> list[tuple[int, Output]]:
        """The edges that change. Also writes the view, in absolute values, so a repeated batch changes nothing."""
        versions = await self.close_windows()
        if versions:
            await write_bins(self._redis, self.settings, self.owner)
        return [(version.sequence, Output(BINS.name, serialize(version), partition=0)) for version in versions]

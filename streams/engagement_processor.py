"""engagements -> feature-updates: sums each batch's engagements per tweet, author, viewer and pair."""

from collections.abc import Mapping, Sequence

import numpy as np
import xxhash

from contracts.arrays import I64
from contracts.codec import serialize
from contracts.records import ACTIONS, Engagement
from contracts.settings import Settings
from contracts.text_ids import EventCodec
from contracts.topics import ENGAGEMENTS, FEATURE_UPDATES
from featurestore.store.counters import aggregate_engagements, route
from streams.event_batch import EventBatch
from streams.event_source import EventSource
from transport.ports.kafka_records import LogRecord
from transport.processor import Output, Position, Processor

_deserialize = EventCodec(Engagement).deserialize
_ACTION_INDEX = {action: index for index, action in enumerate(ACTIONS)}


class EngagementProcessor(Processor):
    """The state of one partition of `engagements`: its clock, and which events were already processed."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        self._source = EventSource(settings, ENGAGEMENTS, _deserialize, _times_of, _identities_of)

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Restore the clock, and ask to re-read recent events, so that their repeats are recognized."""
        return self._source.resume(committed)

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Learn which events were already processed."""
        self._source.replay(records)

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """The batch's partial aggregates, one frame for each partition of `feature-updates`."""
        batch, _, _ = self._source.take(records)
        return [*self._aggregate(batch.events), *batch.letters]

    def metadata(self) -> str:
        """The clock now, and the clock where a restart begins to read."""
        return self._source.metadata()

    def _aggregate(self, events: Sequence[Engagement]) -> list[Output]:
        if not events:
            return []
        updates = aggregate_engagements(
            viewer_ids=np.array([event.viewer_id for event in events], np.uint64),
            tweet_ids=np.array([event.tweet_id for event in events], np.uint64),
            author_ids=np.array([event.author_id for event in events], np.uint64),
            actions=np.array([_ACTION_INDEX[event.action] for event in events], np.uint8),
            at_ms=np.array([event.at_ms for event in events], np.int64),
            pane_ms=self._settings.features.pane_ms,
        )
        owners = FEATURE_UPDATES.partitions(self._settings)
        return [
            Output(FEATURE_UPDATES.name, serialize(part), partition=owner) for owner, part in route(updates, owners)
        ]


def _times_of(events: Sequence[Engagement]) -> I64:
    return np.array([event.at_ms for event in events], np.int64)


def _identities_of(batch: EventBatch[Engagement]) -> list[int]:
    """A hash of each event's content, however its producer spelled it. The same action done twice differs in time."""
    return [xxhash.xxh3_64_intdigest(serialize(event)) for event in batch.events]

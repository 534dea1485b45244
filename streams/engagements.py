"""engagements -> feature-updates: what viewers did, added up per tweet, author, viewer and pair of a batch."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import xxhash
from aiokafka import ConsumerRecord

from contracts.codec import Codec, encode
from contracts.records import ACTIONS, Engagement
from contracts.settings import Settings
from contracts.topics import ENGAGEMENTS, FEATURE_UPDATES
from featurestore.counters import aggregate_engagements, route
from streams.batches import EventBatch, decode_batch, observe_times
from streams.watermark import Watermark
from transport.duplicates import RecentIdentities
from transport.metrics import DUPLICATES
from transport.processor import Output

_decode = Codec(Engagement).decode
_ACTION_INDEX = {action: index for index, action in enumerate(ACTIONS)}


class EngagementProcessor:
    """State of one partition of `engagements`: its clock, and which events it has had."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        self._watermark = Watermark(settings.time)
        self._duplicates = RecentIdentities(settings.features.duplicate_horizon)

    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Take up the clock; have the identities of recent events re-read."""
        if ENGAGEMENTS.name not in committed:
            return {}
        offset, metadata = committed[ENGAGEMENTS.name]
        self._watermark.restore(msgspec.json.decode(metadata))
        return {ENGAGEMENTS.name: self._duplicates.rebuild_from(offset)}

    async def replay(self, records: Sequence[ConsumerRecord]) -> None:
        """Learn which events there were."""
        self._drop_repeats(decode_batch(ENGAGEMENTS, records, _decode))

    async def process(self, records: Sequence[ConsumerRecord]) -> Sequence[Output]:
        """The batch's partial aggregates, one frame for each partition of their owners."""
        batch = decode_batch(ENGAGEMENTS, records, _decode)
        self._drop_repeats(batch)
        events = batch.events
        at_ms = np.array([event.at_ms for event in events], np.int64)
        viewers = np.array([event.viewer_id for event in events], np.uint64)
        observe_times(batch, self._watermark, at_ms, viewers)
        return [*self._aggregate(batch.events), *batch.letters]

    def metadata(self) -> str:
        """The clock."""
        return msgspec.json.encode(self._watermark.to_dict()).decode()

    def paused(self) -> frozenset[str]:
        """Never: nothing is held back."""
        return frozenset()

    def _drop_repeats(self, batch: EventBatch[Engagement]) -> None:
        """A producer's retry repeats the record's bytes; the same action done twice differs in its time."""
        identities = [xxhash.xxh3_64_intdigest(record.value or b"") for record in batch.records]
        repeats = self._duplicates.repeats(identities, [record.offset for record in batch.records])
        if any(repeats):
            DUPLICATES.labels(topic=ENGAGEMENTS.name).inc(sum(repeats))
            batch.keep([not repeat for repeat in repeats])

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
        return [Output(FEATURE_UPDATES.name, encode(part), partition=owner) for owner, part in route(updates)]

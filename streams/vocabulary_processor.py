"""vocab-counts -> vocab-deltas: the single writer of a partition's virtual shards, and of their view in Redis."""

import logging
from collections.abc import Mapping
from functools import cache

from contracts.codec import Codec, serialize
from contracts.columnar import VocabCounts, VocabDelta
from contracts.partitioning import record_key
from contracts.records import SETTINGS_KEY
from contracts.settings import Settings, VocabSettings
from contracts.topics import TWEETS, VOCAB_COUNTS, VOCAB_DELTAS, VOCAB_STATE
from streams.owner_processor import OwnerProcessor
from streams.vocab_settings import deserialize_settings
from transport import metrics
from transport.kafka.state_log import read_partition
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import LogRecord
from transport.ports.redis import Redis, version_of
from transport.processor import Output, Position
from vocab.owner.owner import VocabularyOwner
from vocab.owner.state import OwnerState
from vocab.rules import differences
from vocab.view.lists import lists_key
from vocab.view.store import write_view
from vocab.view.updates import view_updates

log = logging.getLogger(__name__)

_deserialize_delta = Codec(VocabDelta).deserialize


def sources_of(settings: Settings) -> frozenset[tuple[str, int]]:
    """The partitions whose tokens are counted."""
    return frozenset((TWEETS.name, partition) for partition in range(TWEETS.partitions(settings)))


class VocabularyProcessor(OwnerProcessor[VocabularyOwner]):
    """The shards of one partition of `vocab-counts`."""

    counts, state, decisions, frame = VOCAB_COUNTS, VOCAB_STATE, VOCAB_DELTAS, VocabCounts

    def __init__(self, settings: Settings, kafka: Kafka, partition: int, redis: Redis) -> None:
        shards = range(partition, settings.vocab.shards, VOCAB_COUNTS.partitions(settings))
        super().__init__(
            settings,
            kafka,
            partition,
            VocabularyOwner.begin(settings.vocab, shards, sources_of(settings), settings.time.window_ms),
            lambda packed: VocabularyOwner.from_bytes(settings.vocab, packed, settings.time.window_ms),
        )
        self._redis = redis

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Restore the newest state, and show it: Redis may be wiped, and the next window may be a long time away."""
        again = await super().resume(committed)
        await self._show()
        return again

    async def catch_up(self) -> OwnerState:
        """The state that a successor would restore, after deciding on all counts in the log. Writes nothing."""
        found = await self._newest_state()
        if found is not None:
            self.owner = self._restore(found.state)
        begin = found.offset if found else 0
        async for records in read_partition(self.kafka, VOCAB_COUNTS, self.partition, begin):
            self._observe(records)
        await self.close_windows()
        await self._take_back(list(self.owner.pending.spilled))
        return self.owner.state

    @property
    def decides_on(self) -> str:
        """The vocabulary's name."""
        return self.owner.state.settings.name

    def numbered(self, record: LogRecord) -> int:
        """The delta's sequence."""
        delta = _deserialize_delta(record.value or b"")
        return delta.sequence if delta.vocabulary == self.decides_on else 0

    def take(self, record: LogRecord) -> None:
        """Counts, or settings that hold from a window on."""
        if record.key == SETTINGS_KEY:
            self.owner.configure(deserialize_settings(record.value or b""))
        else:
            super().take(record)

    async def decide(self) -> list[tuple[int, Output]]:
        """The deltas. Also writes the queryable view, in absolute values, so a repeated batch changes nothing."""
        deltas = await self.close_windows()
        if deltas:
            if self.owner.state.settings != self.settings.vocab:
                _say_once(self.owner.state.settings, self.settings.vocab)
            self._measure()
            await self._show()
        return [
            (
                delta.sequence,
                Output(VOCAB_DELTAS.name, serialize(delta), key=record_key(delta.shard), partition=self.partition),
            )
            for delta in deltas
        ]

    def _measure(self) -> None:
        """Update the metrics of the vocabulary after the newest window, except those that do not exist yet."""
        partition, state = str(self.partition), self.owner.state
        measures = state.drift.measures(state.age)
        metrics.VOCAB_VERSION.labels(partition).set(state.version)
        metrics.VOCAB_ADMITTED.labels(partition).set(measures.admitted)
        if measures.turnover is not None:
            metrics.VOCAB_TURNOVER.labels(partition).set(measures.turnover)
        for namespace, share in measures.outside_shares().items():
            metrics.VOCAB_OUTSIDE.labels(partition, namespace.name.lower()).set(share)
        for between, distance in (("windows", measures.window_distance), ("hours", measures.hour_distance)):
            if distance is not None:
                metrics.VOCAB_DISTANCE.labels(partition, between).set(distance)

    async def look_after(self) -> None:
        """Show the state again if Redis was wiped or has lost the newest one."""
        state = self.owner.state
        key = self.settings.prefix.encode() + lists_key(state.settings.name, state.shards[0])
        (value,) = await self._redis.mget([key])
        if state.version and (value is None or version_of(value) < state.version):
            log.warning("Redis lacks the view of the vocabulary of partition %d: writing it again", self.partition)
            await self._show()

    async def _show(self) -> None:
        await write_view(self._redis, self.settings, view_updates(self.owner.state))


@cache
def _say_once(in_effect: VocabSettings, ours: VocabSettings) -> None:
    """Log once per process, whatever the number of its partitions."""
    log.warning(
        "vocabulary %s goes by the settings in its log, not by this worker's, which differ in %s; "
        "`driftline vocab configure` shows them, and puts a worker's settings into the log",
        in_effect.name,
        ", ".join(differences(in_effect, ours)),
    )

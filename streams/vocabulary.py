"""vocab-counts -> vocab-deltas: the single writer of a partition's virtual shards.

Its state goes to `vocab-state` in the same transaction; the queryable view goes to Redis, in absolute values.
"""

from collections.abc import Mapping, Sequence

from aiokafka import ConsumerRecord
from redis.asyncio import Redis

from contracts.codec import Codec, encode
from contracts.errors import BadRecord
from contracts.frames import VocabCounts
from contracts.partitioning import key_of
from contracts.settings import Settings
from contracts.topics import TWEETS, VOCAB_COUNTS, VOCAB_DELTAS, VOCAB_STATE
from streams.owner_state import EVERY_RECORDS, join_state, state_outputs
from transport.dead_letters import dead_letter
from transport.processor import Output
from transport.state_log import read_latest
from vocab.keys import SHARDS
from vocab.owner import VocabularyOwner
from vocab.view import view_updates
from vocab.view_store import write_view

_decode = Codec(VocabCounts).decode

SOURCES = frozenset((TWEETS.name, partition) for partition in range(TWEETS.partitions))


class VocabularyProcessor:
    """The shards of one partition of `vocab-counts`."""

    def __init__(self, settings: Settings, partition: int, redis: Redis) -> None:
        self._settings = settings
        self._partition = partition
        self._redis = redis
        shards = [shard for shard in range(SHARDS) if shard % VOCAB_COUNTS.partitions == partition]
        self._owner = VocabularyOwner(settings.vocab, shards, SOURCES)
        self._records_since_state = 0

    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Take up the newest state; have what came after it re-read."""
        state = join_state(await read_latest(self._settings, VOCAB_STATE, self._partition))
        if state is None:
            return {VOCAB_COUNTS.name: 0} if VOCAB_COUNTS.name in committed else {}
        offset, packed = state
        self._owner = VocabularyOwner.from_bytes(self._settings.vocab, packed)
        return {VOCAB_COUNTS.name: offset}

    async def replay(self, records: Sequence[ConsumerRecord]) -> None:
        """Count again what the state does not hold; its decisions are in the log already."""
        self._observe(records)
        self._owner.close_windows()

    async def process(self, records: Sequence[ConsumerRecord]) -> Sequence[Output]:
        """The deltas of the windows that these counts close."""
        letters = self._observe(records)
        deltas = self._owner.close_windows()
        outputs = letters + [
            Output(VOCAB_DELTAS.name, encode(delta), key=key_of(delta.shard), partition=self._partition)
            for delta in deltas
        ]
        if deltas:
            await write_view(self._redis, self._settings, view_updates(self._owner))
        if self._records_since_state >= EVERY_RECORDS:
            self._records_since_state = 0
            offset = records[-1].offset + 1
            outputs += state_outputs(VOCAB_STATE, self._partition, offset, self._owner.to_bytes())
        return outputs

    def metadata(self) -> str:
        """Nothing: the state names its own offset."""
        return ""

    def paused(self) -> frozenset[str]:
        """Never."""
        return frozenset()

    def _observe(self, records: Sequence[ConsumerRecord]) -> list[Output]:
        letters = []
        for record in records:
            try:
                self._owner.observe(_decode(record.value or b""))
            except BadRecord as error:
                letters.append(dead_letter(VOCAB_COUNTS, record, error))
        self._records_since_state += len(records)
        return letters

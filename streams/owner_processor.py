"""What the hops of owners share: counts in, decisions out, state on a compacted topic.

An owner (`vocab/owner/owner.py`, `featurestore/bins/owner.py`) is the single writer of what it decides. Its state is
written in the transaction that commits the state's offset. After a restart, the state and the counts since are read.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from contracts.codec import Codec, Frame
from contracts.errors import BadRecord
from contracts.settings import Settings
from contracts.topics import Topic
from streams.state_records import EVERY_RECORDS, join_state, state_outputs
from transport.dead_letters import dead_letter
from transport.kafka.state_log import read_latest
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import LogRecord
from transport.processor import Output, Processor


class Owner(Protocol):
    """The methods that every owner has; its own processor calls the one that decides."""

    def observe(self, frame: Any, /) -> None:
        """Add a frame of counts, of the type that its processor names. Raises `BadRecord`."""
        ...

    def to_bytes(self) -> bytes:
        """The whole state."""
        ...


OwnerT = TypeVar("OwnerT", bound=Owner)


class OwnerProcessor(Processor, Generic[OwnerT]):
    """One partition of counts and its owner. A subclass names the topics and makes the decisions' records.

    Commits have no metadata, because the state names its own offset.
    """

    counts: Topic
    state: Topic
    frame: type[Frame]

    def __init__(
        self, settings: Settings, kafka: Kafka, partition: int, owner: OwnerT, restore: Callable[[bytes], OwnerT]
    ) -> None:
        self.settings = settings
        self.kafka = kafka
        self.partition = partition
        self.owner = owner
        self._restore = restore
        self._decode = Codec(self.frame).deserialize
        self._records_since_state = 0

    @abstractmethod
    async def decide(self) -> list[Output]:
        """The owner's decisions on the windows that every source has closed by now."""

    def take(self, record: LogRecord) -> None:
        """Give the owner one record. Raises `BadRecord`."""
        self.owner.observe(self._decode(record.value or b""))

    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Restore the newest state, and ask to re-read the records after it."""
        state = join_state(await read_latest(self.kafka, self.state, self.partition))
        if state is None:
            return {self.counts.name: 0} if self.counts.name in committed else {}
        offset, packed = state
        self.owner = self._restore(packed)
        return {self.counts.name: offset}

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Add the counts that the state lacks, and repeat the decisions that the log already has."""
        self._observe(records)
        await self.decide()

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """The decisions of the windows that these counts close."""
        outputs = self._observe(records)
        outputs += await self.decide()
        if self._records_since_state >= EVERY_RECORDS:
            self._records_since_state = 0
            outputs += state_outputs(self.state, self.partition, records[-1].offset + 1, self.owner.to_bytes())
        return outputs

    def _observe(self, records: Sequence[LogRecord]) -> list[Output]:
        letters = []
        for record in records:
            try:
                self.take(record)
            except BadRecord as error:
                letters.append(dead_letter(self.counts, record, error))
        self._records_since_state += len(records)
        return letters

"""What the hops of owners share: counts in, decisions out, state on a compacted topic.

An owner (`vocab/owner/owner.py`, `featurestore/bins/owner.py`) is the single writer of what it decides. Its state is
written in the transaction that commits the state's offset. After a restart, the state and the counts since are read.

Counts of windows that wait for a source are held in memory up to MOST_PENDING_ROWS, and stored beside the state
beyond that. So however long a source stands still, neither the memory nor the state grows past a bound.

If the group's offsets have expired, the owner goes on from its state's offset. It then decides again what it decided
after that state, bit for bit, and does not send what the log has already: decisions are numbered.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from contracts.codec import Codec
from contracts.errors import BadRecord
from contracts.frames import Frame
from contracts.settings import Settings
from contracts.topics import Topic
from eventtime.pending_windows import PendingWindows, Spilled
from streams.state_records import (
    EVERY_RECORDS,
    FoundState,
    forget_outputs,
    is_of_state,
    join_state,
    read_spilled,
    spill_outputs,
    state_outputs,
)
from transport.dead_letters import dead_letter
from transport.kafka.state_log import read_latest, read_partition
from transport.metrics import OWNER_WAITING
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import LogRecord
from transport.processor import Output, Position, Processor


class Owner(Protocol):
    """The methods that every owner has; its own processor calls the one that decides."""

    @property
    def pending(self) -> PendingWindows[Any]:
        """The counts of open windows."""
        ...

    @property
    def closed_through(self) -> int:
        """The newest window that every source has closed."""
        ...

    def observe(self, frame: Any, /) -> None:
        """Add a frame of counts, of the type that its processor names. Raises `BadRecord`."""
        ...

    def close_windows(self, through: int | None = None) -> list[Any]:
        """Decide the windows that every source has closed, up to `through`; none of them may still be spilled."""
        ...

    def to_bytes(self) -> bytes:
        """The whole state."""
        ...


OwnerT = TypeVar("OwnerT", bound=Owner)

MOST_PENDING_ROWS = 1 << 20  # of an owner's memory, some 30 bytes each


class Said(msgspec.Struct, frozen=True):
    """Committed after an owner's offsets expired: decisions `of` this name up to `through` are in the log."""

    of: str
    through: int


class OwnerProcessor(Processor, Generic[OwnerT]):
    """One partition of counts and its owner. A subclass names the topics and makes the decisions' records."""

    counts: Topic
    state: Topic
    decisions: Topic
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
        self._topic_id = ""  # of the counts
        self._said = 0  # decisions up to this number are in the log
        self._obsolete: dict[int, Spilled] = {}  # stored windows that are decided

    @property
    @abstractmethod
    def decides_on(self) -> str:
        """Whose decisions these are; the numbers of another's begin anew."""

    @abstractmethod
    def numbered(self, record: LogRecord) -> int:
        """The number of the decision in a record of `decisions`; 0 for another's."""

    @abstractmethod
    async def decide(self) -> list[tuple[int, Output]]:
        """The owner's decisions, numbered from 1, on the windows that every source has closed by now."""

    def take(self, record: LogRecord) -> None:
        """Give the owner one record. Raises `BadRecord`."""
        self.owner.observe(self._decode(record.value or b""))

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Restore the newest state, and ask to re-read the records after it."""
        position = committed[self.counts.name]
        self._topic_id = position.topic_id
        if position.metadata:
            said = msgspec.json.decode(position.metadata, type=Said)
            self._said = said.through if said.of == self.decides_on else 0
        found = await self._newest_state()
        begin = 0
        if found is not None:
            self.owner = self._restore(found.state)
            begin = found.offset if found.topic_id == position.topic_id else position.offset
        return {self.counts.name: min(max(begin, position.readable_from), position.offset)}

    async def recover(self) -> Mapping[str, Position]:
        """The offset of the newest state, and the number of the newest decision in the log."""
        found = await self._newest_state()
        newest = 0
        async for records in read_partition(self.kafka, self.decisions, self.partition):
            newest = max(newest, *map(self.numbered, records))
        words = msgspec.json.encode(Said(self.decides_on, newest)).decode()
        position = Position(0, words) if found is None else Position(found.offset, words, found.topic_id)
        return {self.counts.name: position}

    def metadata(self) -> str:
        """Nothing, because the state names its own offset; after a recovery, what the log has already."""
        return msgspec.json.encode(Said(self.decides_on, self._said)).decode() if self._said else ""

    async def _newest_state(self) -> FoundState | None:
        return join_state(await read_latest(self.kafka, self.state, self.partition, is_of_state))

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Add the counts that the state lacks, and repeat the decisions that the log already has."""
        self._observe(records)
        await self.decide()

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """The decisions of the windows that these counts close."""
        outputs = self._observe(records)
        outputs += [output for number, output in await self.decide() if number > self._said]
        if self._records_since_state >= EVERY_RECORDS or self.owner.pending.rows > MOST_PENDING_ROWS:
            outputs += self._state_now(records[-1].offset + 1)
        return outputs

    def _state_now(self, reached: int) -> list[Output]:
        """The records of the owner's state, and of what it can no longer hold."""
        self._records_since_state = 0
        pending = self.owner.pending
        spilled = pending.spill(MOST_PENDING_ROWS // 2) if pending.rows > MOST_PENDING_ROWS else []
        return [
            *spill_outputs(self.state, self.partition, spilled),
            *self.forget_decided(),
            *state_outputs(self.state, self.partition, self._topic_id, reached, self.owner.to_bytes()),
        ]

    def forget_decided(self) -> list[Output]:
        """The records that delete spilled windows which were taken back; for a transaction with a new state."""
        obsolete, self._obsolete = self._obsolete, {}
        return forget_outputs(self.state, self.partition, obsolete)

    async def close_windows(self) -> list[Any]:
        """The owner's decisions on all windows that every source has closed, those that were spilled too."""
        made: list[Any] = []
        for windows in self.owner.pending.due(self.owner.closed_through, MOST_PENDING_ROWS // 2):
            await self._take_back(windows)
            made += self.owner.close_windows(windows[-1])
        made += self.owner.close_windows()
        OWNER_WAITING.labels(self.counts.name, str(self.partition)).set(len(self.owner.pending))
        return made

    async def _take_back(self, windows: Sequence[int]) -> None:
        spilled = {window: self.owner.pending.spilled[window] for window in windows}
        for window, parts in (await read_spilled(self.kafka, self.state, self.partition, spilled)).items():
            self.owner.pending.take_back(window, parts)
        self._obsolete |= spilled

    def _observe(self, records: Sequence[LogRecord]) -> list[Output]:
        letters = []
        for record in records:
            try:
                self.take(record)
            except BadRecord as error:
                letters.append(dead_letter(self.counts, record, error))
        self._records_since_state += len(records)
        return letters

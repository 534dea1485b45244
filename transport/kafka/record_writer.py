"""What writers of single records share: choosing a record's partition, sending ticks, failing."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType

from contracts.errors import DriftlineError
from contracts.settings import Settings
from contracts.topics import Topic
from eventtime.ticks import TICK_KEY, tick_value
from transport.kafka.partitioner import partition_of

BATCH_BYTES = 256 * 1024  # of a partition's records before compression; few such batches of each are in memory


class WriteFailed(DriftlineError):
    """The broker refused records for good. Some records that `flush` has not confirmed may be missing."""


class RecordWriter(ABC):
    """An idempotent producer (acks=all) of many small records, outside of transactions.

    Records of one partition keep their order and are written once, even if the connection fails meanwhile.
    Memory is bounded: `send` waits while too many records are unacknowledged.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keyless = 0

    async def send(self, topic: Topic, key: bytes | None, value: bytes, partition: int | None = None) -> None:
        """Buffer one record. Its partition is the given one, else the key's, else the next in turn.

        Raises `WriteFailed` if earlier records were refused.
        """
        if partition is None:
            count = topic.partitions(self._settings)
            if key is None:
                self._keyless += 1
                partition = self._keyless % count
            else:
                partition = partition_of(key, count)
        await self._append(topic, partition, key, value)

    async def send_tick(self, topics: Sequence[Topic], tick_ms: int, epoch: int = 0) -> None:
        """Tell every partition of `topics` that event time has reached `tick_ms`.

        epoch: of the declared replay that the tick belongs to; 0: of no replay.
        """
        tick = tick_value(tick_ms, epoch)
        for topic in topics:
            for partition in range(topic.partitions(self._settings)):
                await self.send(topic, TICK_KEY, tick, partition)

    @abstractmethod
    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything that was sent. Raises `WriteFailed`."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flushes, unless the block failed."""
        try:
            if error is None:
                await self.flush()
        finally:
            await self._close()

    @abstractmethod
    async def _close(self) -> None:
        """Close the connection, cleanly if the broker answers."""

    @abstractmethod
    async def _append(self, topic: Topic, partition: int, key: bytes | None, value: bytes) -> None:
        """Buffer one record of a partition."""

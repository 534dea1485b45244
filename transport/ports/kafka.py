"""What Driftline asks of Kafka, in verbs of its own. `transport/kafka/cluster.py` is the one on a real cluster.

Topics, groups and transactional ids come and go without the installation's prefix. What a cluster promises:

* A partition's offsets ascend. Not every offset has a record: markers of transactions, aborted records and what
  compaction removed leave holes. A *position* is the offset that the next read begins at, and passes the holes.
* Every reader is read-committed: it gets no record of an aborted transaction, and none past the first record of one
  that is still open (the last stable offset).
* Of the members of a group, each partition is assigned to at most one. A member that does not answer is missed only
  after its session timeout, and until it learns of that it goes on as if the partitions were its own.
* A transactional id has one owner. Whoever begins to own it fences the owner before, wherever that is: nothing of
  the former is committed any more, and what it left open is aborted.

Any call may fail with `KafkaFailed` (`kafka_records.py`), and one that has to connect with
`contracts.errors.ServerUnavailable`. What was written before a failure may be there all the same: its answer may have
been what was lost.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from transport.ports.kafka_admin import Admin
from transport.ports.kafka_records import Committed, LogRecord, Output, TopicPartition


class Consumer(Protocol):
    """Reads partitions that it was told to read; belongs to no group. For one event loop."""

    async def topics(self) -> set[str]:
        """The topics of this installation that exist now."""
        ...

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, in place of what was assigned before."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`. Raises `KafkaFailed` for a partition that is not assigned (any more)."""
        ...

    async def position(self, partition: TopicPartition) -> int:
        """The offset that the next read begins at. Raises `KafkaFailed` for one that is not assigned (any more)."""
        ...

    async def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that each still holds."""
        ...

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The last stable offset of each: how far a reader can come now."""
        ...

    async def read(
        self, partitions: Sequence[TopicPartition], most: int | None, timeout_s: float
    ) -> dict[TopicPartition, list[LogRecord]]:
        """The next records, at most `most` in all, of `partitions` alone; others of the assignment keep their places.

        Waits up to `timeout_s` for the first ones. Within a partition in offset order; partitions without news are
        absent. Several tasks may read at once, each its own partitions. Raises `OffsetOutOfRange`, `KafkaFailed` for
        a partition that is not assigned (any more), and `ConsumerLost`.
        """
        ...


class RebalanceListener(Protocol):
    """Told of a member's partitions. The protocol is eager: everything is revoked before anything is assigned."""

    async def revoked(self) -> None:
        """Let go of all partitions. The group's rebalance waits for this to return."""
        ...

    async def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """These are the member's own from now on. None has a position: seek before reading."""
        ...


class GroupConsumer(Consumer, Protocol):
    """A member of a group. Commits nothing itself: offsets are committed by `TransactionalProducer`s."""

    def subscribe(self, topics: Sequence[str], listener: RebalanceListener) -> None:
        """Join the group; the same partition numbers of all `topics` go to the same member."""
        ...

    async def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed]:
        """What the group committed last; partitions never committed are absent."""
        ...

    def check(self) -> None:
        """Raises `ConsumerLost` if the membership broke down, which no read says while nothing is assigned."""
        ...

    def rejoin(self) -> None:
        """Have the group assign its partitions anew."""
        ...

    def silence_s(self, partitions: Sequence[TopicPartition]) -> float | None:
        """Seconds since the broker last answered a fetch of one of `partitions`; None if it never did."""
        ...


class TransactionalProducer(Protocol):
    """Who holds it owns its transactional id."""

    async def commit(self, outputs: Sequence[Output], offsets: Mapping[TopicPartition, Committed]) -> None:
        """Send `outputs` and commit `offsets` to the group, in one transaction, or neither.

        Returns once it is committed. After an error the transaction is aborted, or left for the next owner to abort;
        it may have been committed if the answer was what was lost. A cancelled call is an error too.
        """
        ...


class BlockingConsumer(Protocol):
    """`Consumer` for a thread of its own: the same words, which block."""

    def partitions(self, topic: str) -> list[int]:
        """The partition numbers of `topic`; none if there is no such topic."""
        ...

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, in place of what was assigned before."""
        ...

    def position(self, partition: TopicPartition) -> int:
        """The offset that the next read of an assigned partition begins at."""
        ...

    def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset that each still holds."""
        ...

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The last stable offset of each: how far a reader can come now."""
        ...

    def known_end(self, partition: TopicPartition) -> int | None:
        """The log's end by the newest answer to a fetch, records of open transactions included; None before one."""
        ...

    def read(
        self, partitions: Sequence[TopicPartition], most: int, timeout_s: float
    ) -> dict[TopicPartition, list[LogRecord]]:
        """As `Consumer.read`."""
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


class Producer(Protocol):
    """An idempotent producer (acks=all) of a few records, outside of transactions; blocks."""

    def deliver(self, outputs: Sequence[Output]) -> None:
        """Send, in order within a partition, and wait until the broker has them all.

        Raises `ServerUnavailable` for a broker that does not answer in time: some may be delivered, then or later.
        """
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


class Kafka(Protocol):
    """One cluster, as one installation sees it. Each call makes a client of its own, for the caller to close."""

    @property
    def address(self) -> str:
        """The server, its address and the setting that says so: for messages to people."""
        ...

    def consumer(self) -> AbstractAsyncContextManager[Consumer]:
        """A consumer for the block. Raises `ServerUnavailable`."""
        ...

    def member(self, group: str, *, session_timeout_ms: int) -> AbstractAsyncContextManager[GroupConsumer]:
        """A member of `group` for the block, which leaves the group at its end. Raises `ServerUnavailable`.

        session_timeout_ms: after so long a killed member's partitions go to others.
        """
        ...

    def own(self, group: str, number: int) -> AbstractAsyncContextManager[TransactionalProducer]:
        """Own the transactional id `group-number` for the block.

        Raises `KafkaFailed` for a broker that is away, and `Fenced`, out of the block too, once another one has
        become the owner.
        """
        ...

    def blocking_consumer(self) -> BlockingConsumer:
        """Raises `ServerUnavailable`."""
        ...

    def producer(self) -> Producer:
        """Raises `ServerUnavailable`."""
        ...

    def admin(self) -> AbstractContextManager[Admin]:
        """A connection for administration, for the block. Raises `ServerUnavailable`."""
        ...

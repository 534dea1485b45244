"""What Driftline needs from Kafka. `transport/kafka/cluster.py` implements the port on a real cluster.

Names of topics, groups and transactional ids have no installation prefix here, in calls or in answers. A cluster
promises:

* A partition's offsets ascend. Not every offset has a record: transaction markers, aborted records and compaction
  leave holes. A *position* is the offset that the next read begins at, and moves past the holes.
* Every reader is read-committed: it gets no record of an aborted transaction, and no record from the first open
  transaction on (the last stable offset).
* Each partition is assigned to at most one member of a group. If a member stops answering, the group notices only
  after its session timeout. Until the member learns of that, it goes on as if the partitions were still its own.
* A transactional id has one owner. A new owner fences the former one, wherever it runs: the former owner can commit
  nothing more, and its open transaction is aborted.

Any call may raise `KafkaFailed` (`kafka_records.py`), and a call that has to connect may raise
`contracts.errors.ServerUnavailable`. A write that raised may still have succeeded: perhaps only its answer was lost.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from transport.ports.kafka_admin import Admin
from transport.ports.kafka_records import Committed, LogRecord, Output, TopicPartition


class Consumer(Protocol):
    """Reads the partitions assigned to it by `assign`; belongs to no group. For one event loop."""

    async def topics(self) -> dict[str, int]:
        """The topics of this installation that exist now -> their numbers of partitions."""
        ...

    async def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Topic -> its id, which a topic made anew under the same name does not have; absent if there is none."""
        ...

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets on, instead of those assigned before."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`. Raises `KafkaFailed` for a partition that is not assigned (any more)."""
        ...

    async def position(self, partition: TopicPartition) -> int:
        """The offset that the next read begins at. Raises `KafkaFailed` if `partition` is not assigned (any more)."""
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
        """The next records of `partitions`, at most `most` in all. Other assigned partitions keep their positions.

        Waits up to `timeout_s` for the first ones. Records of a partition come in offset order; partitions without
        new records are absent. Several tasks may read at once, each its own partitions. Raises `OffsetOutOfRange`,
        `KafkaFailed` for a partition that is not assigned (any more), and `ConsumerLost`.
        """
        ...


class RebalanceListener(Protocol):
    """Called when a member's partitions change. Eager protocol: all are revoked before any are assigned."""

    async def revoked(self) -> None:
        """Release all partitions. The group's rebalance waits for this to return."""
        ...

    async def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """The member owns `partitions` from now on. None of them has a position: seek before reading."""
        ...


class GroupConsumer(Consumer, Protocol):
    """A member of a group. It commits nothing itself: `TransactionalProducer`s commit the offsets."""

    def subscribe(self, topics: Sequence[str], listener: RebalanceListener) -> None:
        """Join the group; the same partition numbers of all `topics` go to the same member."""
        ...

    async def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed]:
        """What the group committed last; partitions never committed are absent.

        Waits while a transaction that commits offsets of them is open.
        """
        ...

    def check(self) -> None:
        """Raises `ConsumerLost` if the membership broke down. Reads do not show it while nothing is assigned."""
        ...

    def rejoin(self) -> None:
        """Make the group assign its partitions again."""
        ...

    def silence_s(self, partitions: Sequence[TopicPartition]) -> float | None:
        """Seconds since the broker last answered a fetch of one of `partitions`; None if it never did."""
        ...


class TransactionalProducer(Protocol):
    """A producer that owns its transactional id as long as it is open."""

    async def commit(self, outputs: Sequence[Output], offsets: Mapping[TopicPartition, Committed]) -> None:
        """Send `outputs` and commit `offsets` to the group in one transaction: both or neither. Either may be empty.

        Returns once it is committed. After an error the transaction is aborted, or left for the next owner to abort.
        It may also be committed, if only the answer was lost. A cancelled call counts as an error.
        """
        ...


class BlockingConsumer(Protocol):
    """`Consumer` for a thread of its own: the same methods, blocking."""

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
        """The log's end in the newest fetch answer, including open transactions; None before the first answer."""
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
        """Send `outputs`, in order within each partition, and wait until the broker has them all.

        Raises `ServerUnavailable` if the broker does not answer in time. Some may still be delivered, even later.
        """
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


class Kafka(Protocol):
    """One cluster, as one installation sees it. Each call makes a new client, which the caller closes."""

    @property
    def address(self) -> str:
        """The server, its address and the setting that names it, for messages to people."""
        ...

    def consumer(self) -> AbstractAsyncContextManager[Consumer]:
        """A consumer for the block. Raises `ServerUnavailable`."""
        ...

    def member(self, group: str, *, session_timeout_ms: int) -> AbstractAsyncContextManager[GroupConsumer]:
        """A member of `group` for the block; it leaves the group at the end. Raises `ServerUnavailable`.

        session_timeout_ms: after this long, a killed member's partitions go to others.
        """
        ...

    def own(self, group: str, number: int) -> AbstractAsyncContextManager[TransactionalProducer]:
        """Own the transactional id `group-number` for the block.

        Raises `KafkaFailed` for a broker that is away, and `Fenced`, also from the block, once there is another
        owner.
        """
        ...

    def own_blocking(self, name: str) -> AbstractContextManager[Producer]:
        """Own the transactional id `name` for the block; each `deliver` of the producer is one transaction.

        Raises `ServerUnavailable` if the broker does not answer in time, `KafkaFailed`, and `Fenced` from the block
        once there is another owner.
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

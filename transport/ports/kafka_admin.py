"""Administration of Kafka: topics, what they hold, and what groups have committed. Calls block.

As in `transport/ports/kafka.py`, names of topics and groups have no installation prefix here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.topics import Topic
from transport.ports.kafka_records import Committed, KafkaFailed, TopicPartition


class UnknownTopic(KafkaFailed):
    """A topic that does not exist (any more)."""


@dataclass(frozen=True, slots=True)
class TopicFound:
    """A topic as the cluster has it. topic_id: as `Consumer.topic_ids` gives it. config: all settings, as strings."""

    topic_id: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartitionOffsets:
    """What one partition holds: offsets [begin, end).

    Each transaction's marker takes an offset too, and compaction leaves holes, so `count` is exact for
    topics written outside of transactions and an upper bound for others.
    """

    begin: int
    end: int

    @property
    def count(self) -> int:
        """Number of offsets held."""
        return self.end - self.begin

    def after(self, offset: int) -> int:
        """Number of offsets from `offset` on: what a reader at `offset` has left to read."""
        return max(0, self.end - max(self.begin, offset))


class Admin(Protocol):
    """One connection. Calls raise `ServerUnavailable` if the broker does not answer, else `KafkaFailed`."""

    def topics(self) -> set[str]:
        """The topics that exist."""
        ...

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFound]:
        """Topic -> how the cluster has it. Raises `UnknownTopic` for one that does not exist (any more)."""
        ...

    def create(self, topics: Mapping[Topic, int]) -> None:
        """Create these topics, with as many replicas as the brokers allow, and wait until the brokers know them.

        topics: topic -> its number of partitions.
        """
        ...

    def configure(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        """Change settings of topics. changes: topic -> the settings to change."""
        ...

    def delete(self, topics: Sequence[str]) -> None:
        """Mark topics for deletion; they still exist for a moment."""
        ...

    def offsets(self, topics: Sequence[str]) -> dict[str, dict[int, PartitionOffsets]]:
        """Topic -> partition -> the committed offsets that it holds. Topics that do not exist are left out."""
        ...

    def committed(self, groups: Sequence[str]) -> dict[str, dict[TopicPartition, Committed]]:
        """Group -> what it committed last. Partitions never committed are absent; groups without any may be too."""
        ...

    def members(self, group: str) -> int:
        """How many consumers `group` has now, including killed ones whose session has not timed out yet."""
        ...

    def settled_members(self, groups: Sequence[str]) -> dict[str, int]:
        """Group -> how many members hold partitions; 0 while its assignment is not settled."""
        ...

    def commit(self, group: str, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Commit `offsets` for `group`. Raises `KafkaFailed` if it has members."""
        ...

    def forget(self, groups: Sequence[str]) -> None:
        """Delete what these groups have committed. Raises `KafkaFailed` if one of them has members."""
        ...

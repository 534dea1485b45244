"""Administration of Kafka: topics, what they hold, and what groups have committed; blocks.

As in `transport/ports/kafka.py`, topics and groups come and go without the installation's prefix.
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
    """A topic as the cluster has it. config: all settings, defaults included, as strings."""

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
        """Offsets held."""
        return self.end - self.begin

    def after(self, offset: int) -> int:
        """Those from `offset` on: what is left to a reader that goes on there."""
        return max(0, self.end - max(self.begin, offset))


class Admin(Protocol):
    """One connection. Raises `ServerUnavailable` for a broker that does not answer, else `KafkaFailed`."""

    def topics(self) -> set[str]:
        """Those that exist."""
        ...

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFound]:
        """Of each. Raises `UnknownTopic` for one that does not exist (any more)."""
        ...

    def create(self, topics: Sequence[Topic]) -> None:
        """Create topics as they are given here, and wait until the brokers know; replicated as far as brokers go."""
        ...

    def configure(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        """topic -> the settings to change."""
        ...

    def delete(self, topics: Sequence[str]) -> None:
        """Mark topics for deletion; they go on existing for a moment."""
        ...

    def offsets(self, topics: Sequence[str]) -> dict[str, dict[int, PartitionOffsets]]:
        """Topic -> partition -> what it holds, as far as committed. Topics that do not exist are left out."""
        ...

    def committed(self, groups: Sequence[str]) -> dict[str, dict[TopicPartition, Committed]]:
        """Group -> what it committed last; partitions never committed are absent, and perhaps groups."""
        ...

    def members(self, group: str) -> int:
        """How many consumers `group` has now, those included that were killed and not missed yet."""
        ...

    def settled_members(self, groups: Sequence[str]) -> dict[str, int]:
        """Group -> how many members hold partitions, once its assignment is settled; else 0."""
        ...

    def forget(self, groups: Sequence[str]) -> None:
        """Delete what groups without members have committed. Raises `KafkaFailed` where one has members."""
        ...

"""The administration port on kafka-python. It adds the installation's prefix to names and removes it from answers."""

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kafka import KafkaAdminClient
from kafka import TopicPartition as PrefixedPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NoError,
    NotCoordinatorError,
    UnknownTopicOrPartitionError,
)
from kafka.structs import OffsetAndMetadata

from contracts.settings import Settings
from contracts.topics import Topic
from transport.backoff import pauses
from transport.kafka import clients
from transport.ports.kafka_admin import PartitionOffsets, TopicFound, UnknownTopic
from transport.ports.kafka_records import Committed, TopicPartition

MOST_REPLICAS = 3
COORDINATOR_ATTEMPTS = 6  # some 6 s in all

# Raised while a cluster has just got its first group and is still creating the offsets topic.
_NO_GROUPS_YET = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)


class KafkaPythonAdmin:
    """`transport.ports.kafka_admin.Admin` on a connected client."""

    def __init__(self, prefix: str, client: KafkaAdminClient) -> None:
        self._prefix = prefix
        self._client = client

    def topics(self) -> set[str]:
        """See `Admin`."""
        return {
            name.removeprefix(self._prefix) for name in self._client.list_topics() if name.startswith(self._prefix)
        }

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFound]:
        """See `Admin`."""
        if not topics:
            return {}
        names = self._prefixed(topics)
        try:
            rows = {row["name"]: row for row in self._client.describe_topics(names)}
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
            configs = self._client.describe_configs(resources, config_filter="all")["topic"]
        except UnknownTopicOrPartitionError as error:
            raise UnknownTopic(f"a topic was deleted while it was looked at ({error}); try again") from error
        return {
            topic: TopicFound(
                str(rows[name]["topic_id"]),
                len(rows[name]["partitions"]),
                {key: entry["value"] for key, entry in configs[name].items()},
            )
            for topic, name in zip(topics, names, strict=True)
        }

    def create(self, topics: Mapping[Topic, int]) -> None:
        """See `Admin`."""
        replicas = min(MOST_REPLICAS, len(self._client.describe_cluster()["brokers"]))
        self._client.create_topics(
            [
                NewTopic(
                    name=self._prefix + topic.name,
                    num_partitions=partitions,
                    replication_factor=replicas,
                    topic_configs=topic.config(),
                )
                for topic, partitions in topics.items()
            ],
            wait_for_metadata=True,
        )

    def configure(self, changes: Mapping[str, Mapping[str, str]]) -> None:
        """See `Admin`."""
        self._client.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, self._prefix + topic, dict(config))
                for topic, config in changes.items()
            ]
        )

    def delete(self, topics: Sequence[str]) -> None:
        """See `Admin`."""
        self._client.delete_topics(self._prefixed(topics))

    def offsets(self, topics: Sequence[str]) -> dict[str, dict[int, PartitionOffsets]]:
        """See `Admin`."""
        existing = self.topics()
        present = [topic for topic in topics if topic in existing]
        described = self._client.describe_topics(self._prefixed(present)) if present else []
        partitions = sorted(
            PrefixedPartition(row["name"], part["partition_index"]) for row in described for part in row["partitions"]
        )
        begins = self._offsets(partitions, OffsetSpec.EARLIEST)
        ends = self._offsets(partitions, OffsetSpec.LATEST)
        result: dict[str, dict[int, PartitionOffsets]] = {topic: {} for topic in present}
        for at in partitions:
            result[at.topic.removeprefix(self._prefix)][at.partition] = PartitionOffsets(begins[at], ends[at])
        return result

    def committed(self, groups: Sequence[str]) -> dict[str, dict[TopicPartition, Committed]]:
        """See `Admin`. Waits for a coordinator that is still starting."""
        for pause in itertools.islice(pauses(), COORDINATOR_ATTEMPTS):
            try:
                found = self._client.list_group_offsets(dict.fromkeys(self._prefixed(groups)))
            except CoordinatorNotAvailableError:
                return {}  # the very first group of a cluster: its offsets topic does not exist yet
            except (NotCoordinatorError, CoordinatorLoadInProgressError):
                time.sleep(pause)
            else:
                return {group.removeprefix(self._prefix): self._ours(positions) for group, positions in found.items()}
        raise CoordinatorNotAvailableError(f"the coordinators of {', '.join(groups)} do not settle")

    def members(self, group: str) -> int:
        """See `Admin`. Waits for a coordinator that is still starting."""
        name = self._prefix + group
        for pause in itertools.islice(pauses(), COORDINATOR_ATTEMPTS):
            try:
                described = self._client.describe_groups([name])[name]
            except CoordinatorNotAvailableError:
                return 0  # the very first group of a cluster
            except (NotCoordinatorError, CoordinatorLoadInProgressError):
                time.sleep(pause)
                continue
            if described["error"] is None or described["group_state"] == "Dead":  # dead: there is no such group
                return len(described["members"])
            time.sleep(pause)
        raise CoordinatorNotAvailableError(f"the coordinator of group {group} does not settle")

    def settled_members(self, groups: Sequence[str]) -> dict[str, int]:
        """See `Admin`."""
        members = dict.fromkeys(groups, 0)
        with contextlib.suppress(*_NO_GROUPS_YET):
            stable = {group["group_id"] for group in self._client.list_groups(states_filter=["Stable"])}
            names = [name for name in self._prefixed(groups) if name in stable]
            for name, described in self._client.describe_groups(names).items() if names else ():
                members[name.removeprefix(self._prefix)] = len(described["members"])
        return members

    def commit(self, group: str, offsets: Mapping[TopicPartition, Committed]) -> None:
        """See `Admin`."""
        wanted = {
            PrefixedPartition(self._prefix + at.topic, at.partition): OffsetAndMetadata(*committed, -1)
            for at, committed in offsets.items()
        }
        for at, error in self._client.alter_group_offsets(self._prefix + group, wanted).items():
            if error is not NoError:
                raise error(f"group {group} cannot be set to an offset of {at.topic}[{at.partition}]")

    def forget(self, groups: Sequence[str]) -> None:
        """See `Admin`."""
        self._client.delete_groups(self._prefixed(groups))

    def _prefixed(self, names: Sequence[str]) -> list[str]:
        return [self._prefix + name for name in names]

    def _offsets(self, partitions: Sequence[PrefixedPartition], spec: OffsetSpec) -> dict[PrefixedPartition, int]:
        if not partitions:
            return {}
        found = self._client.list_partition_offsets(dict.fromkeys(partitions, spec), isolation_level="read_committed")
        return {partition: position.offset for partition, position in found.items()}

    def _ours(self, positions: Mapping[PrefixedPartition, Any]) -> dict[TopicPartition, Committed]:
        return {
            TopicPartition(at.topic.removeprefix(self._prefix), at.partition): Committed(found.offset, found.metadata)
            for at, found in positions.items()
        }


@contextlib.contextmanager
def open_admin(settings: Settings) -> Iterator[KafkaPythonAdmin]:
    """See `Kafka.admin`."""
    with clients.admin(settings) as client, clients.as_ours(settings):
        yield KafkaPythonAdmin(settings.prefix, client)

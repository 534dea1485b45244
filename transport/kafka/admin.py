"""Topics as the table in `contracts/topics.py` wants them, and what is in them: plan, apply, offsets, lag."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaTimeoutError,
    NotCoordinatorError,
    UnknownTopicOrPartitionError,
)

from contracts.errors import DriftlineError
from contracts.settings import Settings
from contracts.topics import ALL, Topic, prefixed
from transport.backoff import pauses
from transport.kafka.clients import admin, check_reachable

__all__ = [
    "Difference", "PartitionOffsets", "TopicsDiffer", "apply", "check_reachable", "committed", "delete",
    "group_members", "lags", "lags_over", "plan", "topic_offsets",
]  # fmt: skip

MOST_REPLICAS = 3
COORDINATOR_ATTEMPTS = 6  # some 6 s in all
DELETION_ATTEMPTS = 8  # some 16 s in all


class TopicsDiffer(DriftlineError):
    """Topics that exist with another partition count than the table's, which `apply` will not change."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How one topic of the cluster differs from the table.

    kind: "missing", "config" (changed: name -> (what the cluster has, what the table wants)) or "partitions".
    """

    topic: Topic  # as named on the cluster
    kind: str
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"+ {self.topic.name}: create with {self.topic.partitions} partitions"
        changes = ", ".join(f"{name} {found} -> {wanted}" for name, (found, wanted) in sorted(self.changed.items()))
        return f"{'!' if self.kind == 'partitions' else '~'} {self.topic.name}: {changes}"


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


def plan(settings: Settings, topics: Sequence[Topic] = ALL) -> list[Difference]:
    """What `apply` would change, in the table's order; empty if the cluster is as the table wants it."""
    with admin(settings) as client:
        return _differences(client, settings, topics)


def apply(settings: Settings, topics: Sequence[Topic] = ALL) -> list[Difference]:
    """Make the cluster as the table wants it; returns what was changed. Running it again changes nothing.

    Raises `TopicsDiffer`, having changed nothing, if a topic has another partition count than the table says.
    """
    with admin(settings) as client:
        differences = _differences(client, settings, topics)
        _refuse_other_partition_counts(differences)
        if missing := [difference.topic for difference in differences if difference.kind == "missing"]:
            replicas = min(MOST_REPLICAS, len(client.describe_cluster()["brokers"]))
            client.create_topics(
                [
                    NewTopic(name=topic.name, num_partitions=topic.partitions, replication_factor=replicas,
                             topic_configs=topic.config())
                    for topic in missing
                ],
                wait_for_metadata=True,
            )  # fmt: skip
        if altered := [difference for difference in differences if difference.kind == "config"]:
            client.alter_configs(
                [
                    ConfigResource(
                        ConfigResourceType.TOPIC, difference.topic.name,
                        {name: wanted for name, (_, wanted) in difference.changed.items()},
                    )
                    for difference in altered
                ]
            )  # fmt: skip
        return differences


def delete(settings: Settings, topics: Sequence[Topic] = ALL) -> None:
    """Delete those of `topics` that exist, and wait until the brokers know; some seconds at most."""
    with admin(settings) as client:
        wanted = set(_named(settings, topics))
        if existing := wanted.intersection(client.list_topics()):
            client.delete_topics(sorted(existing))
        for pause in itertools.islice(pauses(), DELETION_ATTEMPTS):
            if not wanted.intersection(client.list_topics()):
                return
            time.sleep(pause)
    raise KafkaTimeoutError(f"{sorted(existing)} are marked for deletion, but still there")


def topic_offsets(settings: Settings, topics: Sequence[Topic] = ALL) -> dict[str, dict[int, PartitionOffsets]]:
    """Topic (unprefixed) -> partition -> what it holds, as far as committed. Absent topics are left out."""
    with admin(settings) as client:
        return _held(client, settings, topics)


def lags(settings: Settings, groups: Mapping[str, Sequence[Topic]]) -> dict[str, int]:
    """Group (unprefixed) -> offsets of its topics that it has yet to commit: where it has committed none, all held.

    groups: group -> the topics that it reads. Topics that do not exist hold nothing.
    """
    with admin(settings) as client:
        return lags_over(client, settings, groups)


def lags_over(client: KafkaAdminClient, settings: Settings, groups: Mapping[str, Sequence[Topic]]) -> dict[str, int]:
    """`lags`, over a connection that is there."""
    names = [settings.prefix + group for group in groups]
    committed = _committed(client, names)  # first: so what is behind is never missed, whatever is written meanwhile
    held = _held(
        client, settings, list({topic.name: topic for topics in groups.values() for topic in topics}.values())
    )
    result = {}
    for name, (group, topics) in zip(names, groups.items(), strict=True):
        offsets = {(at.topic, at.partition): position.offset for at, position in committed.get(name, {}).items()}
        result[group] = sum(
            partition.after(offsets.get((settings.prefix + topic.name, number), 0))
            for topic in topics
            for number, partition in held.get(topic.name, {}).items()
        )
    return result


def group_members(settings: Settings, group: str) -> int:
    """How many consumers `group` (unprefixed) has now, those included that were killed and not missed yet."""
    with admin(settings) as client:
        for pause in itertools.islice(pauses(), COORDINATOR_ATTEMPTS):
            try:
                described = client.describe_groups([settings.prefix + group])[settings.prefix + group]
            except CoordinatorNotAvailableError:
                return 0  # the very first group of a cluster
            except (NotCoordinatorError, CoordinatorLoadInProgressError):
                time.sleep(pause)
                continue
            if described["error"] is None or described["group_state"] == "Dead":  # dead: there is no such group
                return len(described["members"])
            time.sleep(pause)
    raise CoordinatorNotAvailableError(f"the coordinator of group {group} does not settle")


def committed(settings: Settings, group: str) -> dict[str, dict[int, tuple[int, str]]]:
    """Topic (unprefixed) -> partition -> (offset, metadata) as `group` (unprefixed) committed them last."""
    with admin(settings) as client:
        found = _committed(client, [settings.prefix + group]).get(settings.prefix + group, {})
    result: dict[str, dict[int, tuple[int, str]]] = {}
    for partition, position in found.items():
        topic = partition.topic.removeprefix(settings.prefix)
        result.setdefault(topic, {})[partition.partition] = (position.offset, position.metadata)
    return result


def _held(
    client: KafkaAdminClient, settings: Settings, topics: Sequence[Topic]
) -> dict[str, dict[int, PartitionOffsets]]:
    existing = set(client.list_topics())
    present = [topic for topic in topics if settings.prefix + topic.name in existing]
    partitions = [
        TopicPartition(settings.prefix + topic.name, row["partition_index"])
        for topic, described in zip(present, _describe(client, _named(settings, present)), strict=True)
        for row in described["partitions"]
    ]
    begins = _offsets(client, partitions, OffsetSpec.EARLIEST)
    ends = _offsets(client, partitions, OffsetSpec.LATEST)
    result: dict[str, dict[int, PartitionOffsets]] = {topic.name: {} for topic in present}
    for partition in sorted(partitions):
        name = partition.topic.removeprefix(settings.prefix)
        result[name][partition.partition] = PartitionOffsets(begins[partition], ends[partition])
    return result


def _committed(client: KafkaAdminClient, groups: Sequence[str]) -> dict[str, dict[Any, Any]]:
    """Committed offsets of groups by partition; a coordinator that is only starting is waited for."""
    for pause in itertools.islice(pauses(), COORDINATOR_ATTEMPTS):
        try:
            committed: dict[str, dict[Any, Any]] = client.list_group_offsets(dict.fromkeys(groups))
        except CoordinatorNotAvailableError:
            return {}  # the very first group of a cluster: its offsets topic does not exist yet
        except (NotCoordinatorError, CoordinatorLoadInProgressError):
            time.sleep(pause)
        else:
            return committed
    raise CoordinatorNotAvailableError(f"the coordinators of {', '.join(groups)} do not settle")


def _named(settings: Settings, topics: Sequence[Topic]) -> list[str]:
    return [prefixed(topic, settings.prefix).name for topic in topics]


def _describe(client: KafkaAdminClient, names: Sequence[str]) -> list[dict[str, Any]]:
    """In the order of `names`."""
    if not names:
        return []
    described = {row["name"]: row for row in client.describe_topics(list(names))}
    return [described[name] for name in names]


def _offsets(client: KafkaAdminClient, partitions: Sequence[Any], spec: OffsetSpec) -> dict[Any, int]:
    if not partitions:
        return {}
    found = client.list_partition_offsets(dict.fromkeys(partitions, spec), isolation_level="read_committed")
    return {partition: position.offset for partition, position in found.items()}


def _differences(client: KafkaAdminClient, settings: Settings, topics: Sequence[Topic]) -> list[Difference]:
    wanted = [prefixed(topic, settings.prefix) for topic in topics]
    existing = set(client.list_topics())
    present = [topic.name for topic in wanted if topic.name in existing]
    try:
        counts = {row["name"]: len(row["partitions"]) for row in _describe(client, present)}
        configs = _configs(client, present)
    except UnknownTopicOrPartitionError as error:
        raise TopicsDiffer(f"a topic was deleted while it was looked at ({error}); try again") from error
    differences = []
    for topic in wanted:
        if topic.name not in existing:
            differences.append(Difference(topic, "missing"))
            continue
        if counts[topic.name] != topic.partitions:
            changed = {"partitions": (str(counts[topic.name]), str(topic.partitions))}
            differences.append(Difference(topic, "partitions", changed))
        found = configs[topic.name]
        changed = {name: (found[name], value) for name, value in topic.config().items() if found[name] != value}
        if changed:
            differences.append(Difference(topic, "config", changed))
    return differences


def _configs(client: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    described = client.describe_configs(resources, config_filter="all")["topic"]
    return {name: {key: entry["value"] for key, entry in described[name].items()} for name in names}


def _refuse_other_partition_counts(differences: Sequence[Difference]) -> None:
    refused = [difference for difference in differences if difference.kind == "partitions"]
    if refused:
        lines = "\n".join(f"  {difference}" for difference in refused)
        raise TopicsDiffer(
            "these topics have another number of partitions than the table, which would send keys elsewhere:\n"
            f"{lines}\nNothing was changed. "
            "Set DRIFTLINE_PREFIX to start beside them, or delete them if their records may go."
        )

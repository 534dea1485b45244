"""Makes a cluster match the table in `contracts/topics.py` (plan, apply), and reads offsets and lag."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contracts.errors import ServerUnavailable, TopicsDiffer
from contracts.settings import Settings
from contracts.topics import ALL, Topic, prefixed
from transport.backoff import pauses
from transport.kafka.admin_client import open_admin
from transport.kafka.clients import address, check_reachable
from transport.ports.kafka_admin import Admin, PartitionOffsets, UnknownTopic
from transport.ports.kafka_records import Committed

__all__ = [
    "Difference",
    "PartitionOffsets",
    "apply",
    "check_partition_counts",
    "check_reachable",
    "committed",
    "delete",
    "group_members",
    "lags",
    "lags_over",
    "plan",
    "topic_offsets",
]

DELETION_ATTEMPTS = 8  # some 16 s in all


@dataclass(frozen=True, slots=True)
class Difference:
    """How one topic of the cluster differs from the table.

    partitions: what the table wants. kind: "missing", "config" (changed: name -> (what the cluster has, what the
    table wants)) or "partitions".
    """

    topic: Topic  # as named on the cluster
    partitions: int
    kind: str
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"+ {self.topic.name}: create with {self.partitions} partitions"
        changes = ", ".join(f"{name} {found} -> {wanted}" for name, (found, wanted) in sorted(self.changed.items()))
        return f"{'!' if self.kind == 'partitions' else '~'} {self.topic.name}: {changes}"


def plan(settings: Settings, topics: Sequence[Topic] = ALL) -> list[Difference]:
    """What `apply` would change, in the table's order; empty if the cluster matches the table."""
    with open_admin(settings) as admin:
        return _differences(admin, settings, topics)


def apply(settings: Settings, topics: Sequence[Topic] = ALL) -> list[Difference]:
    """Change the cluster to match the table; returns what was changed. Running it again changes nothing.

    Raises `TopicsDiffer`, before changing anything, if a topic's partition count differs from the table's.
    """
    with open_admin(settings) as admin:
        differences = _differences(admin, settings, topics)
        _refuse_other_partition_counts(differences)
        kinds = {difference.topic.name.removeprefix(settings.prefix): difference for difference in differences}
        if missing := [topic for topic in topics if topic.name in kinds and kinds[topic.name].kind == "missing"]:
            admin.create({topic: topic.partitions(settings) for topic in missing})
        if altered := {
            name: {key: wanted for key, (_, wanted) in difference.changed.items()}
            for name, difference in kinds.items()
            if difference.kind == "config"
        }:
            admin.configure(altered)
        return differences


def delete(settings: Settings, topics: Sequence[Topic] = ALL) -> None:
    """Delete the existing ones of `topics`, and wait until the brokers know; some seconds at most."""
    with open_admin(settings) as admin:
        wanted = {topic.name for topic in topics}
        if existing := wanted & admin.topics():
            admin.delete(sorted(existing))
        for pause in itertools.islice(pauses(), DELETION_ATTEMPTS):
            if not wanted & admin.topics():
                return
            time.sleep(pause)
    raise ServerUnavailable(f"{address(settings)}: {sorted(existing)} are marked for deletion, but still there")


def topic_offsets(settings: Settings, topics: Sequence[Topic] = ALL) -> dict[str, dict[int, PartitionOffsets]]:
    """Topic -> partition -> the committed offsets that it holds. Topics that do not exist are left out."""
    with open_admin(settings) as admin:
        return admin.offsets([topic.name for topic in topics])


def lags(settings: Settings, groups: Mapping[str, Sequence[Topic]]) -> dict[str, int]:
    """Group -> number of offsets that it has yet to commit; all offsets held, for a partition it never committed.

    groups: group -> the topics that it reads. Topics that do not exist hold nothing.
    """
    with open_admin(settings) as admin:
        return lags_over(admin, groups)


def lags_over(admin: Admin, groups: Mapping[str, Sequence[Topic]]) -> dict[str, int]:
    """`lags`, over an open connection."""
    committed = admin.committed(
        list(groups)
    )  # first: so what is behind is never missed, whatever is written meanwhile
    held = admin.offsets(sorted({topic.name for topics in groups.values() for topic in topics}))
    result = {}
    for group, topics in groups.items():
        offsets = {tuple(at): position.offset for at, position in committed.get(group, {}).items()}
        result[group] = sum(
            partition.after(offsets.get((topic.name, number), 0))
            for topic in topics
            for number, partition in held.get(topic.name, {}).items()
        )
    return result


def group_members(settings: Settings, group: str) -> int:
    """How many consumers `group` has now, including killed ones whose session has not timed out yet."""
    with open_admin(settings) as admin:
        return admin.members(group)


def committed(settings: Settings, group: str) -> dict[str, dict[int, Committed]]:
    """Topic -> partition -> what `group` committed last."""
    with open_admin(settings) as admin:
        found = admin.committed([group]).get(group, {})
    result: dict[str, dict[int, Committed]] = {}
    for at, position in found.items():
        result.setdefault(at.topic, {})[at.partition] = position
    return result


def _differences(admin: Admin, settings: Settings, topics: Sequence[Topic]) -> list[Difference]:
    existing = admin.topics()
    try:
        found = admin.describe([topic.name for topic in topics if topic.name in existing])
    except UnknownTopic as error:
        raise TopicsDiffer(str(error)) from error
    differences = []
    for topic in topics:
        shown, wanted = prefixed(topic, settings.prefix), topic.partitions(settings)
        if topic.name not in found:
            differences.append(Difference(shown, wanted, "missing"))
            continue
        partitions, config = found[topic.name].partitions, found[topic.name].config
        if partitions != wanted:
            differences.append(_other_count(shown, wanted, partitions))
        changed = {name: (config[name], value) for name, value in topic.config().items() if config[name] != value}
        if changed:
            differences.append(Difference(shown, wanted, "config", changed))
    return differences


def check_partition_counts(settings: Settings, found: Mapping[str, int]) -> None:
    """Raises `TopicsDiffer` unless topics have the partitions that the table wants. found: topic -> their number."""
    _refuse_other_partition_counts(
        [
            _other_count(prefixed(topic, settings.prefix), topic.partitions(settings), found[topic.name])
            for topic in ALL
            if found.get(topic.name, topic.partitions(settings)) != topic.partitions(settings)
        ]
    )


def _other_count(shown: Topic, wanted: int, found: int) -> Difference:
    return Difference(shown, wanted, "partitions", {"partitions": (str(found), str(wanted))})


def _refuse_other_partition_counts(differences: Sequence[Difference]) -> None:
    refused = [difference for difference in differences if difference.kind == "partitions"]
    if refused:
        lines = "\n".join(f"  {difference}" for difference in refused)
        raise TopicsDiffer(
            "these topics have another number of partitions than the installation, so their keys are elsewhere:\n"
            f"{lines}\nNothing was changed. "
            "Set DRIFTLINE_PREFIX to start beside them, or delete them if their records may go."
        )

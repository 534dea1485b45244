"""Where each hop stands in each partition that it reads, and whether it can go on from there."""

from collections.abc import Mapping

import msgspec

from contracts.codec import Codec
from contracts.records import HopStarted
from contracts.settings import Settings
from contracts.topics import HOP_STARTS
from driftline.inspect.lags import GROUPS
from driftline.inspect.logs import read_records
from transport.hop.position import Log, Verdict, judge
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_admin import Admin
from transport.ports.kafka_records import Committed, TopicPartition

_started = Codec(HopStarted)


class HopOffset(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of one hop. committed: None if nothing was. verdict: None if the hop has never read it."""

    hop: str
    topic: str
    partition: int
    committed: int | None
    begin: int
    end: int
    verdict: Verdict | None

    @property
    def usable(self) -> bool:
        """Whether the hop goes on by itself."""
        return self.verdict in (None, Verdict.OK)


def offsets(settings: Settings) -> list[HopOffset]:
    """Every partition of every hop. Raises `ServerUnavailable`."""
    started = starts(settings)
    with KafkaCluster(settings).admin() as admin:
        logs, committed = read_logs(admin), admin.committed(list(GROUPS))
    rows = []
    for hop, topics in GROUPS.items():
        for topic in topics:
            for number in range(topic.partitions(settings)):
                at = TopicPartition(topic.name, number)
                if at in logs:
                    found = committed.get(hop, {}).get(at)
                    rows.append(_row(hop, at, found, logs[at], started.get((hop, number))))
    return rows


def starts(settings: Settings) -> dict[tuple[str, int], HopStarted]:
    """(hop, partition) -> how it last began, of all that have ever begun to read."""
    return {(record.hop, record.partition): record for _, record in read_records(settings, HOP_STARTS, _started)}


def read_logs(admin: Admin) -> Mapping[TopicPartition, Log]:
    """What every partition that a hop reads is now."""
    names = sorted({topic.name for topics in GROUPS.values() for topic in topics})
    held = admin.offsets(names)
    found = admin.describe(list(held))
    return {
        TopicPartition(topic, number): Log(found[topic].topic_id, offsets.begin, offsets.end)
        for topic, partitions in held.items()
        for number, offsets in partitions.items()
    }


def _row(hop: str, at: TopicPartition, found: Committed | None, log: Log, began: HopStarted | None) -> HopOffset:
    verdict = judge(found, log, began.topic_ids.get(at.topic) if began else None)
    return HopOffset(
        hop=hop,
        topic=at.topic,
        partition=at.partition,
        committed=found.offset if found else None,
        begin=log.begin,
        end=log.end,
        verdict=verdict if found or began else None,
    )

"""The one table of topics: partitions, cleanup, retention, size and timestamps of each.

`driftline topics plan` compares a cluster with the table, and `driftline topics apply` changes the cluster to match.
Nothing else creates topics. All but the single ones have the installation's number of partitions, so that those
that are joined share it, and the key encoding and partitioner too.
Topics stamp records with the broker's clock (LogAppendTime): if retention went by the age of replayed tweets, it
would delete them at once.
"""

from dataclasses import dataclass, replace
from typing import Literal

from contracts.settings import DAY_MS, Settings

MIB = 1 << 20
FOREVER_MS = -1


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic's contract. `retention_ms` is -1 for ever; `max_message_bytes` bounds one (compressed) batch.

    single: has one partition, whatever the number of the installation is. compression: `producer` keeps what the
    producer chose, zstd for ours; the broker compresses what outsiders read with gzip, which every client has.
    """

    name: str
    key: str
    record: str
    single: bool = False
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int = 7 * DAY_MS
    max_message_bytes: int = MIB
    timestamps: Literal["CreateTime", "LogAppendTime"] = "LogAppendTime"
    compression: Literal["producer", "gzip"] = "producer"

    def partitions(self, settings: Settings) -> int:
        """Its number of partitions in an installation; settings: as `transport.installation` gives them."""
        if self.single:
            return 1
        if not settings.partitions:
            raise ValueError("these settings do not say how many partitions there are: ask transport.installation")
        return settings.partitions

    def config(self, **extra: str) -> dict[str, str]:
        """The broker's per-topic configuration."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": self.timestamps,
            "compression.type": self.compression,
            **extra,
        }


TWEETS = Topic("tweets", "tweet id", "Tweet")
ENGAGEMENTS = Topic("engagements", "viewer id", "Engagement")
TIMELINE_REQUESTS = Topic("timeline-requests", "viewer id", "TimelineRequest")
TIMELINES_RANKED = Topic("timelines-ranked", "viewer id", "RankedTimeline", compression="gzip")
CANDIDATES_SERVED = Topic("candidates-served", "viewer id", "CandidatesServed", max_message_bytes=2 * MIB)
EVENT_TIME = Topic("event-time", "-", "TimeDeclared", single=True, retention_ms=FOREVER_MS)
INSTALLATION = Topic("installation", "-", "Installed", single=True, retention_ms=FOREVER_MS)
HOP_STARTS = Topic(
    "hop-starts", "hop and partition", "HopStarted", single=True, cleanup="compact", retention_ms=FOREVER_MS
)
FEATURE_UPDATES = Topic("feature-updates", "entity", "FeatureUpdates", max_message_bytes=8 * MIB)
FEATURE_STATE = Topic(
    "feature-state", "-", "-", cleanup="compact", retention_ms=FOREVER_MS, max_message_bytes=8 * MIB
)
VOCAB_COUNTS = Topic("vocab-counts", "virtual shard", "VocabCounts", max_message_bytes=8 * MIB)
VOCAB_STATE = Topic(
    "vocab-state", "virtual shard", "-", cleanup="compact", retention_ms=FOREVER_MS, max_message_bytes=8 * MIB
)
VOCAB_DELTAS = Topic(
    "vocab-deltas", "virtual shard", "VocabDelta", retention_ms=FOREVER_MS, max_message_bytes=8 * MIB
)
BIN_COUNTS = Topic("bin-counts", "-", "BinCounts", single=True, max_message_bytes=8 * MIB)
BIN_STATE = Topic(
    "bin-state", "feature set", "-", single=True, cleanup="compact", retention_ms=FOREVER_MS,
    max_message_bytes=8 * MIB,
)  # fmt: skip
BINS = Topic("bins", "-", "BinsVersion", single=True, retention_ms=FOREVER_MS)
EXAMPLES = Topic("examples", "-", "Arrow IPC", max_message_bytes=8 * MIB)
MODELS = Topic("models", "model name", "ModelPublished", single=True, retention_ms=FOREVER_MS)
TRAINER_TERMS = Topic(
    "trainer-terms", "model name", "TrainerTerm", single=True, cleanup="compact", retention_ms=FOREVER_MS
)

# Topics that may hold records that their readers cannot process, such as records from outside.
WITH_DEAD_LETTERS = (
    TWEETS, ENGAGEMENTS, TIMELINE_REQUESTS, CANDIDATES_SERVED, FEATURE_UPDATES, VOCAB_COUNTS, BIN_COUNTS, EXAMPLES,
)  # fmt: skip


def dead_letters(source: Topic) -> Topic:
    """The dead-letter topic of `source`: kept long enough that a person can look and replay."""
    return Topic(
        f"{source.name}-dead-letters",
        source.key,
        "DeadLetter",
        single=source.single,
        retention_ms=28 * DAY_MS,
        max_message_bytes=4 * source.max_message_bytes,
        compression="gzip",
    )


ALL: tuple[Topic, ...] = (
    TWEETS, ENGAGEMENTS, TIMELINE_REQUESTS, TIMELINES_RANKED, CANDIDATES_SERVED, INSTALLATION, EVENT_TIME, HOP_STARTS,
    FEATURE_UPDATES, FEATURE_STATE, VOCAB_COUNTS, VOCAB_STATE, VOCAB_DELTAS, BIN_COUNTS, BIN_STATE, BINS, EXAMPLES,
    MODELS, TRAINER_TERMS,
    *(dead_letters(source) for source in WITH_DEAD_LETTERS),
)  # fmt: skip


def prefixed(topic: Topic, prefix: str) -> Topic:
    """The topic under its name on a cluster that several installations share."""
    return replace(topic, name=prefix + topic.name)

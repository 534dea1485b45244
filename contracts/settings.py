"""Every setting with its default, its unit and its range, as frozen records.

`contracts/settings_sources.py` reads them. `docs/settings.md` is made of the comments here.
"""

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LEAST_NEGATIVE_KEEP = 1e-4  # a kept example weighs 1 / negative_keep, and weights are bounded
MOST_PARTITIONS = 256  # each has at least one virtual shard, and numbers of shards travel as bytes

# Ranges of settings. Each bound is that of the narrowest place that the setting ends in.
# Windows and panes are numbered from 1970 in 32 bits; numbers of one-second windows last until 2106.
Numbered = Annotated[int, Meta(ge=1_000, le=30 * DAY_MS)]
# Kafka deletes tweets, engagements and what was served after a week; what a hop waits for must still be there.
WithinLog = Annotated[int, Meta(ge=0, le=2 * DAY_MS)]
Linger = Annotated[int, Meta(ge=0, le=60_000)]
Lifetime = Annotated[int, Meta(ge=1, le=10 * 365 * 86_400)]  # of keys in Redis, seconds
Some = Annotated[int, Meta(ge=1, le=1_000_000)]
# In names of folders, Redis keys and transactional ids.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"
Name = Annotated[str, Meta(pattern=NAME)]
# Kafka allows 249 characters in a topic's name, and no others than these.
Prefix = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{0,200}\Z")]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the settings file."""


class TimeSettings(Section, frozen=True, kw_only=True):
    """Event time. Fixed when the installation is made: windows number the versions."""

    window_ms: Numbered = 60_000  # vocabulary and bins are decided once a window
    # How far behind the newest event of its partition an event may be, and how far its clock may be ahead: of the
    # broker's, or in a replay of the replay's ticks.
    lateness_ms: WithinLog = 30_000


class HopSettings(Section, frozen=True, kw_only=True):
    """The stream workers' exactly-once hops."""

    # Of one transaction at most: larger is cheaper, smaller is sooner.
    batch_records: Annotated[int, Meta(ge=1, le=100_000)] = 5_000
    linger_ms: Linger = 20  # how long a batch waits for more records after its first ones
    # A killed worker's partitions move after this. The range is what a broker accepts by default.
    session_timeout_ms: Annotated[int, Meta(ge=6_000, le=1_800_000)] = 10_000


class KindSettings(Section, frozen=True, kw_only=True):
    """Settings of one kind of tokens. Kinds differ in their number of tokens and in how fast tokens come and go."""

    capacity: int  # slots of admitted keys: the same number in each virtual shard
    # Rows for all other keys, by hash; shared with the kinds that travel beside this one.
    rare_slots: int
    admit_at: float = 5.0  # decayed count at which a key gets its own slot
    # Decayed count under which an admitted key loses its slot; set it well under admit_at.
    evict_below: float = 1.0
    # A key takes the slot of the weakest key only if its count is higher by this share, 0 to 1.
    hysteresis: float = 0.25
    half_life_windows: float = 1440.0  # windows in which an unseen key's count halves
    # An admitted key loses its slot after this many windows without an occurrence.
    idle_windows: int = 10_080


class VocabSettings(Section, frozen=True, kw_only=True):
    """The drifting vocabulary: one table for each kind of tokens (`vocab/namespaces.py`).

    A new vocabulary begins with these settings, and `driftline vocab configure` writes them into the log. A running
    vocabulary uses the settings in its log.
    """

    name: Name = "default"  # another name is another vocabulary (`driftline vocab reshard`)
    # Virtual shards; fixed when the vocabulary begins. A power of two, at least the number of partitions.
    shards: Annotated[int, Meta(ge=1, le=MOST_PARTITIONS)] = 64
    # Keys that are counted but not admitted, as a multiple of a kind's capacity.
    candidates_per_slot: float = 4.0
    word: KindSettings = KindSettings(
        capacity=1 << 15, rare_slots=2048, half_life_windows=2880.0, idle_windows=20_160
    )
    bigram: KindSettings = KindSettings(capacity=1 << 15, rare_slots=2048, admit_at=10.0, evict_below=2.0)
    hashtag: KindSettings = KindSettings(
        capacity=1 << 14, rare_slots=1024, half_life_windows=720.0, idle_windows=4_320
    )
    mention: KindSettings = KindSettings(capacity=1 << 14, rare_slots=1024)
    cashtag: KindSettings = KindSettings(capacity=1 << 11, rare_slots=128)
    domain: KindSettings = KindSettings(capacity=1 << 13, rare_slots=512, half_life_windows=2880.0)
    emoji: KindSettings = KindSettings(capacity=1 << 12, rare_slots=128, half_life_windows=2880.0)
    author: KindSettings = KindSettings(
        capacity=1 << 14, rare_slots=2048, half_life_windows=2880.0, idle_windows=20_160
    )
    # Viewers are not counted from tweets, so they are never admitted.
    viewer: KindSettings = KindSettings(capacity=0, rare_slots=4096)
    lang: KindSettings = KindSettings(capacity=1 << 10, rare_slots=64, half_life_windows=2880.0, idle_windows=40_320)

    @staticmethod
    def uniform(
        name: str = "default", shards: int = 64, candidates_per_slot: float = 4.0, **of_every_kind: Any
    ) -> "VocabSettings":
        """The same `KindSettings` for every kind, including kinds that are never admitted."""
        kind = KindSettings(**of_every_kind)
        return VocabSettings(
            name=name, shards=shards, candidates_per_slot=candidates_per_slot, **dict.fromkeys(KINDS, kind)
        )

    @property
    def kinds(self) -> dict[str, KindSettings]:
        """The settings of each kind by its name, in the order of `vocab.namespaces.Namespace`."""
        return {kind: getattr(self, kind) for kind in KINDS}


_OF_ALL_KINDS = ("name", "shards", "candidates_per_slot")
KINDS = tuple(field for field in VocabSettings.__struct_fields__ if field not in _OF_ALL_KINDS)


class BinSettings(Section, frozen=True, kw_only=True):
    """Rolling discretization bins."""

    # Equal-mass bins for ordinary values; missing, NaN, zero and infinities have bins of their own.
    bins: int = 16
    rolling_windows: Annotated[int, Meta(ge=1, le=100_000)] = 240  # windows that the edges are taken over
    minimum_values: Some = 500  # values of a feature before it gets edges at all
    moved: Annotated[float, Meta(ge=0, le=1)] = 0.05  # Kolmogorov-Smirnov distance at which new edges are published
    # Names of features, separated by commas, whose edges a decision tree learns from labelled examples.
    supervised: str = ""
    # Each bin of such a tree holds at least this share of the feature's labelled values.
    leaf_share: float = 0.02


class FeatureSettings(Section, frozen=True, kw_only=True):
    """The feature store."""

    # Recent counts cover the present pane and a share of the previous one.
    # Fixed when the installation is made.
    pane_ms: Numbered = 3_600_000
    # Wall clock; a tweet and its counters leave Redis after this. Kafka must hold the tweet as long.
    tweet_ttl_s: Annotated[int, Meta(ge=1, le=7 * 86_400)] = 172_800
    entity_ttl_s: Lifetime = 2_592_000  # wall clock; authors, viewers and pairs, since their last update
    # A repeated event is recognized within this many offsets of its partition.
    duplicate_horizon: Annotated[int, Meta(ge=0, le=10_000_000)] = 20_000


class JoinSettings(Section, frozen=True, kw_only=True):
    """Joining what was served with what happened."""

    # Actions this long after the impression label it. Fixed when the installation is made.
    label_window_ms: WithinLog = 600_000
    # Share of impressions without engagement that become examples: 0, or 0.0001 to 1.
    negative_keep: float = 1.0
    max_open_requests: Some = 50_000  # of one partition; more pause the partition's source


class TrainerSettings(Section, frozen=True, kw_only=True):
    """Learning."""

    name: Name = "timeline"  # of the model that it trains
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 1  # of the first weights
    embedding_dim: Annotated[int, Meta(ge=1, le=1_024)] = 16  # width of a row of the embedding table
    batch_size: Some = 512  # examples a step
    learning_rate: Annotated[float, Meta(gt=0, le=10)] = 0.05  # of the embedding table
    publish_every_examples: Annotated[int, Meta(ge=1)] = 20_000  # a version of the model each
    # Or when event time has gone on for so long since the first unpublished example, if that is sooner.
    publish_every_ms: Annotated[int, Meta(ge=1_000, le=30 * DAY_MS)] = 600_000
    keep_snapshots: Some = 5  # newest ones that stay on disk


class ScorerSettings(Section, frozen=True, kw_only=True):
    """Ranking."""

    model: Name = "timeline"  # the name of the model that it ranks by
    max_batch_candidates: Some = 4_096  # of one call of the model
    linger_ms: Linger = 5  # how long a request may wait for others to be scored with
    # Taken from the newest tweets where a request names none.
    recent_candidates: Annotated[int, Meta(ge=1, le=1_500)] = 200


class Settings(Section, frozen=True, kw_only=True):
    """All settings. `prefix` goes before every topic, group, transactional id and Redis key."""

    kafka: str = "localhost:9092"  # brokers to begin with: host:port, with commas between
    redis: str = "redis://localhost:6379/0"  # as redis-py takes it; rediss:// for TLS
    prefix: Prefix = ""  # tells installations on the same servers apart
    data_dir: str = ".driftline"  # local servers, snapshots and checkpoints
    # Id of the installation: servers that hold another are refused. Empty: that of the data folder, or else of Kafka.
    installation: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?\Z")] = ""
    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 0  # of the Prometheus endpoint; 0: none
    # Of every topic but the single ones. Fixed when the installation is made; 0: as many as it has, 4 for a new one.
    partitions: Annotated[int, Meta(ge=0, le=MOST_PARTITIONS)] = 0
    time: TimeSettings = TimeSettings()
    hop: HopSettings = HopSettings()
    vocab: VocabSettings = VocabSettings()
    bins: BinSettings = BinSettings()
    features: FeatureSettings = FeatureSettings()
    join: JoinSettings = JoinSettings()
    trainer: TrainerSettings = TrainerSettings()
    scorer: ScorerSettings = ScorerSettings()


def masked(address: str) -> str:
    """The address with its password replaced by stars, safe to show."""
    password = urlsplit(address).password if "://" in address else None
    return address.replace(f":{password}@", ":***@") if password else address

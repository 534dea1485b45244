"""Every setting with its default and its unit, as frozen records. A process reads them once, when it starts.

Order of precedence: environment, then the TOML file that `DRIFTLINE_CONFIG` names (or `./driftline.toml`), then the
defaults here. `[trainer] seed` in the file is `DRIFTLINE_TRAINER_SEED` in the environment, and `[vocab.hashtag]
capacity` is `DRIFTLINE_VOCAB_HASHTAG_CAPACITY`. The two addresses have short names: `DRIFTLINE_KAFKA` and
`DRIFTLINE_REDIS`.
"""

import math
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from contracts.errors import SettingsError

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

    name: Name = "default"
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
    # Share of impressions without engagement that become examples: 0, or LEAST_NEGATIVE_KEEP to 1.
    negative_keep: float = 1.0
    max_open_requests: Some = 50_000  # of one partition; more pause the partition's source


class TrainerSettings(Section, frozen=True, kw_only=True):
    """Learning."""

    name: Name = "timeline"
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 1
    embedding_dim: Annotated[int, Meta(ge=1, le=1_024)] = 16
    batch_size: Some = 512  # examples a step
    learning_rate: Annotated[float, Meta(gt=0, le=10)] = 0.05
    publish_every_examples: Annotated[int, Meta(ge=1)] = 20_000
    keep_snapshots: Some = 5


class ScorerSettings(Section, frozen=True, kw_only=True):
    """Ranking."""

    model: Name = "timeline"
    max_batch_candidates: Some = 4_096
    linger_ms: Linger = 5  # how long a request may wait for others to be scored with
    # Taken from the newest tweets where a request names none.
    recent_candidates: Annotated[int, Meta(ge=1, le=1_500)] = 200


class Settings(Section, frozen=True, kw_only=True):
    """All settings. `prefix` goes before every topic, group, transactional id and Redis key.

    `partitions`: of every topic but the single ones. Fixed when the installation is made; 0 means as many as it has.
    """

    kafka: str = "localhost:9092"
    redis: str = "redis://localhost:6379/0"
    prefix: Prefix = ""
    data_dir: str = ".driftline"
    metrics_port: Annotated[int, Meta(ge=0, le=65_535)] = 0  # 0: no Prometheus endpoint
    partitions: Annotated[int, Meta(ge=0, le=MOST_PARTITIONS)] = 0
    time: TimeSettings = TimeSettings()
    hop: HopSettings = HopSettings()
    vocab: VocabSettings = VocabSettings()
    bins: BinSettings = BinSettings()
    features: FeatureSettings = FeatureSettings()
    join: JoinSettings = JoinSettings()
    trainer: TrainerSettings = TrainerSettings()
    scorer: ScorerSettings = ScorerSettings()


def load(environ: Mapping[str, str] | None = None, path: Path | None = None) -> Settings:
    """The settings of this process.

    Raises `SettingsError` for a file that is missing or not TOML, an unknown name, or a value of the wrong type or
    out of range.
    """
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["DRIFTLINE_CONFIG"]) if environ.get("DRIFTLINE_CONFIG") else None)
    values = _read_file(named or Path("driftline.toml"), required=named is not None)
    for variable, (*sections, field) in _variables().items():
        if variable in environ:
            table = values
            for section in sections:
                table = table.setdefault(section, {})
            table[field] = environ[variable]
    try:
        settings = msgspec.convert(_over(msgspec.to_builtins(Settings()), values), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings ({named or 'environment'}): {error}") from error
    for variable, fields in _variables().items():
        value = _value(settings, fields)
        if isinstance(value, float) and not math.isfinite(value):
            raise SettingsError(f"{'.'.join(fields)} ({variable}) is {value}: set it to a number")
    keep = settings.join.negative_keep
    if keep != 0 and not LEAST_NEGATIVE_KEEP <= keep <= 1:
        raise SettingsError(f"join.negative_keep is {keep}: set it to 0, or to {LEAST_NEGATIVE_KEEP} to 1")
    return settings


def to_environ(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process these settings."""
    return {variable: str(_value(settings, path)) for variable, path in _variables().items()}


def masked(address: str) -> str:
    """The address with its password replaced by stars, safe to show."""
    password = urlsplit(address).password if "://" in address else None
    return address.replace(f":{password}@", ":***@") if password else address


def variable_of(name: str) -> str:
    """The environment variable of a setting: `time.window_ms` is `DRIFTLINE_TIME_WINDOW_MS`."""
    return "_".join(["driftline", *name.split(".")]).upper()


def _variables() -> dict[str, tuple[str, ...]]:
    """Environment variable -> path of the field: sections, then its name."""
    return {variable_of(".".join(path)): path for path in _paths(Settings())}


def _paths(section: Section) -> Iterator[tuple[str, ...]]:
    for field in section.__struct_fields__:
        value = getattr(section, field)
        if isinstance(value, Section):
            yield from ((field, *path) for path in _paths(value))
        else:
            yield (field,)


def _value(settings: Settings, path: Sequence[str]) -> Any:
    return reduce(getattr, path, settings)


def _over(defaults: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults with `values` merged in, table by table: a field that a table does not name keeps its default."""
    merged = dict(defaults)
    for name, value in values.items():
        default = defaults.get(name)
        merged[name] = _over(default, value) if isinstance(default, dict) and isinstance(value, dict) else value
    return merged


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        if required:
            raise SettingsError(f"DRIFTLINE_CONFIG names {path}, which does not exist") from error
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error

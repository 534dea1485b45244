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
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from contracts.errors import SettingsError

# The shortest window or pane. Numbers count from 1970 in 32 bits; one-second windows use them up in 2106.
SHORTEST_MS = 1_000
LEAST_NEGATIVE_KEEP = 1e-4  # a kept example weighs 1 / negative_keep, and weights are bounded


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the settings file."""


class TimeSettings(Section, frozen=True, kw_only=True):
    """Event time. A change takes effect for new topics only: windows number the versions."""

    window_ms: int = 60_000  # vocabulary and bins are decided once a window; at least SHORTEST_MS
    # How far behind the newest event of its partition an event may be, and how far its clock may be ahead: of the
    # broker's, or in a replay of the replay's ticks.
    lateness_ms: int = 30_000


class HopSettings(Section, frozen=True, kw_only=True):
    """The stream workers' exactly-once hops."""

    batch_records: int = 5_000  # of one transaction at most: larger is cheaper, smaller is sooner
    linger_ms: int = 20  # how long a batch waits for more records after its first ones
    session_timeout_ms: int = 10_000  # a killed worker's partitions move after this


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

    name: str = "default"
    shards: int = 64  # virtual shards; fixed when the vocabulary begins: a power of two, 4 to 256
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
    rolling_windows: int = 240  # windows that the edges are taken over
    minimum_values: int = 500  # values of a feature before it gets edges at all
    moved: float = 0.05  # Kolmogorov-Smirnov distance at which new edges are published
    # Names of features, separated by commas, whose edges a decision tree learns from labelled examples.
    supervised: str = ""
    # Each bin of such a tree holds at least this share of the feature's labelled values.
    leaf_share: float = 0.02


class FeatureSettings(Section, frozen=True, kw_only=True):
    """The feature store."""

    # Recent counts cover the present pane and a share of the previous one. At least SHORTEST_MS.
    pane_ms: int = 3_600_000
    tweet_ttl_s: int = 172_800  # wall clock; a tweet and its counters leave Redis after this
    entity_ttl_s: int = 2_592_000  # wall clock; authors, viewers and pairs, since their last update
    # A repeated event is recognized within this many offsets of its partition.
    duplicate_horizon: int = 20_000


class JoinSettings(Section, frozen=True, kw_only=True):
    """Joining what was served with what happened."""

    label_window_ms: int = 600_000  # actions this long after the impression label it
    # Share of impressions without engagement that become examples: 0, or LEAST_NEGATIVE_KEEP to 1.
    negative_keep: float = 1.0
    max_open_requests: int = 50_000  # of one partition; more pause the partition's source


class TrainerSettings(Section, frozen=True, kw_only=True):
    """Learning."""

    name: str = "timeline"
    seed: int = 1
    embedding_dim: int = 16
    batch_size: int = 512  # examples a step
    learning_rate: float = 0.05
    publish_every_examples: int = 20_000
    keep_snapshots: int = 5


class ScorerSettings(Section, frozen=True, kw_only=True):
    """Ranking."""

    model: str = "timeline"
    max_batch_candidates: int = 4_096
    linger_ms: int = 5  # how long a request may wait for others to be scored with
    recent_candidates: int = 200  # taken from the newest tweets where a request names none


class Settings(Section, frozen=True, kw_only=True):
    """All settings. `prefix` goes before every topic, group, transactional id and Redis key."""

    kafka: str = "localhost:9092"
    redis: str = "redis://localhost:6379/0"
    prefix: str = ""
    data_dir: str = ".driftline"
    metrics_port: int = 0  # 0: no Prometheus endpoint
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

    Raises `SettingsError` for a file that is missing or not TOML, an unknown name, a value of the wrong type or out
    of range, or windows or panes too short to be numbered.
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
    _check_numbered("time.window_ms", settings.time.window_ms)
    _check_numbered("features.pane_ms", settings.features.pane_ms)
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


def _check_numbered(name: str, length_ms: int) -> None:
    if length_ms < SHORTEST_MS:
        raise SettingsError(
            f"{name} is {length_ms}: set it to {SHORTEST_MS} or more; windows and panes are numbered from 1970 on, "
            "in 32 bits, and shorter ones run out of numbers before 2106"
        )


def _variables() -> dict[str, tuple[str, ...]]:
    """Environment variable -> path of the field: sections, then its name."""
    return {"_".join(["DRIFTLINE", *path]).upper(): path for path in _paths(Settings())}


def _paths(section: Section) -> Iterator[tuple[str, ...]]:
    for field in section.__struct_fields__:
        value = getattr(section, field)
        if isinstance(value, Section):
            yield from ((field, *path) for path in _paths(value))
        else:
            yield (field,)


def _value(settings: Settings, path: Sequence[str]) -> Any:
    value: Any = settings
    for field in path:
        value = getattr(value, field)
    return value


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

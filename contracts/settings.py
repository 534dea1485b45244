"""Every setting, its default and its unit, as frozen records; read once, at the edge of a process.

Order of precedence: environment, then the TOML file that `DRIFTLINE_CONFIG` names (or `./driftline.toml`), then the
defaults here. `[vocab] capacity` in the file is `DRIFTLINE_VOCAB_CAPACITY` in the environment; the two addresses
have short names, `DRIFTLINE_KAFKA` and `DRIFTLINE_REDIS`.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from contracts.errors import SettingsError


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the settings file."""


class TimeSettings(Section, frozen=True, kw_only=True):
    """Event time. A change takes effect for new topics only: windows number the versions."""

    window_ms: int = 60_000  # vocabulary and bins are decided once a window
    lateness_ms: int = 30_000  # how far behind the newest event of its partition an event may be
    jump_ms: int = 3_600_000  # an event further ahead than this must be confirmed...
    jump_authors: int = 3  # ...by so many distinct authors before it moves event time


class HopSettings(Section, frozen=True, kw_only=True):
    """The stream workers' exactly-once hops."""

    batch_records: int = 5_000  # of one transaction at most: larger is cheaper, smaller is sooner
    linger_ms: int = 20  # how long a batch waits for more records after its first ones
    session_timeout_ms: int = 10_000  # a killed worker's partitions move after this


class VocabSettings(Section, frozen=True, kw_only=True):
    """The drifting vocabulary."""

    name: str = "default"
    capacity: int = 1 << 17  # slots of admitted keys over all virtual shards
    rare_slots: int = 1 << 13  # slots that all other keys share, by hash
    admit_at: float = 5.0  # decayed count at which a key gets its own slot
    evict_below: float = 1.0  # decayed count under which an admitted key loses it: well under admit_at
    half_life_windows: float = 1440.0  # windows in which an unseen key's count halves
    candidates_per_slot: float = 4.0  # keys counted but not admitted, as a multiple of the capacity


class BinSettings(Section, frozen=True, kw_only=True):
    """Rolling discretization bins."""

    bins: int = 16  # equal-mass bins of ordinary values; missing, zero and infinities have their own
    rolling_windows: int = 240  # windows that the edges are taken over
    minimum_values: int = 500  # values of a feature before it gets edges at all
    moved: float = 0.05  # Kolmogorov-Smirnov distance at which new edges are published
    supervised: str = ""  # features, separated by commas, whose edges a decision tree takes from labelled examples
    leaf_share: float = 0.02  # of a feature's labelled values, that each bin of such a tree holds at least


class FeatureSettings(Section, frozen=True, kw_only=True):
    """The feature store."""

    pane_ms: int = 3_600_000  # recent counts cover the present pane and a share of the one before
    tweet_ttl_s: int = 172_800  # wall clock; a tweet and its counters leave Redis after this
    entity_ttl_s: int = 2_592_000  # wall clock; authors, viewers and pairs, since their last update
    duplicate_horizon: int = 20_000  # offsets over which a repeated event of a partition is recognized


class JoinSettings(Section, frozen=True, kw_only=True):
    """Joining what was served with what happened."""

    label_window_ms: int = 600_000  # actions this long after the impression label it
    negative_keep: float = 1.0  # share of impressions without engagement that become examples
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
    """All of it. `prefix` goes before every topic, group, transactional id and Redis key."""

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


SECTIONS = {
    field: type(default)
    for field, default in zip(Settings.__struct_fields__, Settings.__struct_defaults__, strict=True)
    if isinstance(default, Section)
}


def load(environ: Mapping[str, str] | None = None, path: Path | None = None) -> Settings:
    """The settings of this process.

    Raises `SettingsError` for a file that is missing or not TOML, an unknown name, or a value of the wrong type.
    """
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["DRIFTLINE_CONFIG"]) if environ.get("DRIFTLINE_CONFIG") else None)
    values = _read_file(named or Path("driftline.toml"), required=named is not None)
    for variable, (section, field) in _variables().items():
        if variable in environ:
            table = values.setdefault(section, {}) if section else values
            table[field] = environ[variable]
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings ({named or 'environment'}): {error}") from error


def to_environ(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process these settings."""
    result = {}
    for variable, (section, field) in _variables().items():
        holder = getattr(settings, section) if section else settings
        result[variable] = str(getattr(holder, field))
    return result


def masked(address: str) -> str:
    """An address as it may be shown: its password starred out."""
    password = urlsplit(address).password if "://" in address else None
    return address.replace(f":{password}@", ":***@") if password else address


def _variables() -> dict[str, tuple[str, str]]:
    """Environment variable -> (section or '', field)."""
    plain = [field for field in Settings.__struct_fields__ if field not in SECTIONS]
    found = {f"DRIFTLINE_{field.upper()}": ("", field) for field in plain}
    for section, section_type in SECTIONS.items():
        for field in section_type.__struct_fields__:
            found[f"DRIFTLINE_{section.upper()}_{field.upper()}"] = (section, field)
    return found


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        if required:
            raise SettingsError(f"DRIFTLINE_CONFIG names {path}, which does not exist") from error
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error

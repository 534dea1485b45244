"""A vocabulary's settings in two other forms: integers for owners to decide by, and the record in the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadRecord, SettingsError
from contracts.records import KindConfigured, VocabConfigured
from contracts.settings import KINDS, MOST_PARTITIONS, KindSettings, VocabSettings
from vocab.decay import ONE, fixed
from vocab.namespaces import Namespace


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one namespace. per_shard: slots of a shard. kept: keys without a slot that it goes on counting.

    admit_at, evict_below: decayed counts in units of 2^-32. hysteresis: a share in units of 2^-32.
    """

    per_shard: int
    kept: int
    admit_at: int
    evict_below: int
    hysteresis: int
    half_life_windows: float
    idle_windows: int


def rules_of(settings: VocabSettings) -> tuple[Rules, ...]:
    """The rules of each namespace, by its number. Raises `SettingsError` for settings that contradict each other."""
    if not 0 <= settings.candidates_per_slot < 1 << 16:
        raise SettingsError(f"vocab.candidates_per_slot is {settings.candidates_per_slot}: set it to 0 or more")
    shards = settings.shards
    if not are_shards(shards):
        raise SettingsError(f"vocab.shards is {shards}: set it to a power of two from 1 to {MOST_PARTITIONS}")
    rules = []
    for name, kind in settings.kinds.items():
        _check(name, kind, shards)
        per_shard = kind.capacity // shards
        rules.append(
            Rules(
                per_shard=per_shard,
                kept=int(settings.candidates_per_slot * per_shard),
                admit_at=fixed(kind.admit_at),
                evict_below=fixed(kind.evict_below),
                hysteresis=round(kind.hysteresis * ONE),
                half_life_windows=kind.half_life_windows,
                idle_windows=kind.idle_windows,
            )
        )
    return tuple(rules)


def by_kind(rules: Sequence[Rules], field: str, dtype: type) -> NDArray[Any]:
    """One field of the rules of every namespace, by its number: an array for kernels."""
    return np.array([getattr(each, field) for each in rules], dtype)


def _check(name: str, kind: KindSettings, shards: int) -> None:
    where = f"vocab.{name}"
    if kind.capacity < 0 or kind.capacity % shards:
        below = max(kind.capacity, 0) // shards * shards
        raise SettingsError(
            f"{where}.capacity is {kind.capacity}, but each of {shards} virtual shards has the same number of slots: "
            f"set it to {below} or {below + shards}"
        )
    if kind.rare_slots < 0:
        raise SettingsError(f"{where}.rare_slots is {kind.rare_slots}: set it to 0 or more")
    if not 0 <= kind.evict_below < kind.admit_at:
        raise SettingsError(
            f"{where}.evict_below is {kind.evict_below} and {where}.admit_at is {kind.admit_at}, so keys would leave "
            "as soon as they came: set evict_below to 0 or more and below admit_at"
        )
    if not 0 <= kind.hysteresis <= 1:
        raise SettingsError(f"{where}.hysteresis is {kind.hysteresis}: set it to a share from 0 to 1")
    if not 0 < kind.half_life_windows < float("inf"):
        raise SettingsError(f"{where}.half_life_windows is {kind.half_life_windows}: set it to more than 0")
    if kind.idle_windows < 1:
        raise SettingsError(f"{where}.idle_windows is {kind.idle_windows}: set it to 1 or more")


def configured(settings: VocabSettings, from_window: int = 0, made_of: str | None = None) -> VocabConfigured:
    """The record that puts `settings` into the log. made_of: the vocabulary whose keys this one began with."""
    return VocabConfigured(
        vocabulary=settings.name,
        from_window=from_window,
        candidates_per_slot=settings.candidates_per_slot,
        kinds={name: KindConfigured(**msgspec.to_builtins(kind)) for name, kind in settings.kinds.items()},
        shards=settings.shards,
        made_of=made_of,
    )


def settings_of(record: VocabConfigured) -> VocabSettings:
    """The settings in a record; a kind that it does not name is newer, and has no slots.

    Raises `BadRecord`: `unknown_kind` for a kind that this code does not know, `bad_settings` for contradictions.
    """
    if unknown := sorted(record.kinds.keys() - set(KINDS)):
        raise BadRecord("unknown_kind", f"VocabConfigured names {', '.join(unknown)}; upgrade this reader")
    absent = KindSettings(capacity=0, rare_slots=0)
    settings = VocabSettings(
        name=record.vocabulary,
        shards=record.shards,
        candidates_per_slot=record.candidates_per_slot,
        **{
            kind: KindSettings(**msgspec.structs.asdict(record.kinds[kind])) if kind in record.kinds else absent
            for kind in KINDS
        },
    )
    try:
        rules_of(settings)
    except SettingsError as error:
        raise BadRecord("bad_settings", f"VocabConfigured: {error}") from error
    return settings


def differences(one: VocabSettings, other: VocabSettings) -> dict[str, tuple[float, float]]:
    """Name in the settings file -> (value in `one`, value in `other`), of each setting that differs."""
    found = {}
    for name, kind in one.kinds.items():
        for field in kind.__struct_fields__:
            found[f"vocab.{name}.{field}"] = getattr(kind, field), getattr(other.kinds[name], field)
    found["vocab.candidates_per_slot"] = one.candidates_per_slot, other.candidates_per_slot
    return {name: values for name, values in found.items() if values[0] != values[1]}


def are_shards(shards: int) -> bool:
    """Whether a vocabulary can have this number of virtual shards."""
    return 1 <= shards <= MOST_PARTITIONS and not shards & (shards - 1)


def other_shards(name: str, shards: int, wanted: int) -> SettingsError:
    """The error for settings that want another number of shards than the vocabulary `name` has."""
    return SettingsError(
        f"vocabulary {name!r} has {shards} virtual shards for as long as it lives, but vocab.shards is {wanted}: set "
        f"it to {shards}, or make a new vocabulary with `driftline vocab reshard --shards {wanted} --name NAME`"
    )


def kind_of(namespace: Namespace) -> str:
    """The name of a namespace's settings."""
    return namespace.name.lower()

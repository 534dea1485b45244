"""A vocabulary's settings: reads them from its log, and changes them.

New settings take effect at the same window for every owner. The record goes to partition 0 of `tweets`; the source of
that partition assigns it the first window that is not closed there (`streams/vocab_settings.py`).
"""

import contextlib

import msgspec

from contracts.codec import Codec, serialize
from contracts.columnar import VocabDelta
from contracts.records import SETTINGS_KEY, SETTINGS_PARTITION
from contracts.settings import Settings, VocabSettings
from contracts.topics import TWEETS, VOCAB_DELTAS
from driftline.inspect.logs import read_records
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import Output
from vocab.rules import configured, differences, settings_of
from vocab.slot_layout import SlotLayout

_deltas = Codec(VocabDelta)


class SettingChange(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: its value now, and its value once applied."""

    setting: str
    now: float
    then: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What `apply` would change.

    version: the newest decided window, 0 if there is none; then no settings are in effect yet. since: the window at
    which the present settings took effect. rows: of the embedding table now. more_rows: how many it would gain.
    """

    version: int
    since: int
    changes: list[SettingChange]
    rows: int
    more_rows: int


def plan(settings: Settings) -> Plan:
    """Compare the vocabulary's settings with those of this process, in one pass over the log of deltas.

    Raises `SettingsError` for settings that contradict each other or the vocabulary's number of shards.
    """
    wanted = SlotLayout.of(settings.vocab)
    version = since = 0
    in_effect: VocabSettings | None = None
    layout: SlotLayout | None = None
    for _, delta in read_records(settings, VOCAB_DELTAS, _deltas):
        if delta.vocabulary != settings.vocab.name:
            continue
        version = max(version, delta.version)
        if delta.settings is not None and (in_effect is None or delta.version > since):
            since, in_effect = delta.version, settings_of(delta.settings)
            layout = layout.changed(in_effect) if layout else SlotLayout.of(in_effect)
    if in_effect is None or layout is None:
        return Plan(version=0, since=0, changes=[], rows=wanted.num_slots, more_rows=0)
    changes = [
        SettingChange(setting=name, now=now, then=then)
        for name, (now, then) in differences(in_effect, settings.vocab).items()
    ]
    more = layout.changed(settings.vocab).num_slots - layout.num_slots
    return Plan(version=version, since=since, changes=changes, rows=layout.num_slots, more_rows=more)


def apply(settings: Settings, from_window: int) -> None:
    """Write the settings of this process into the log.

    They take effect at `from_window`, or at the first window that is not closed, if that is later. Raises
    `ServerUnavailable`, and `SettingsError` for settings that contradict each other.
    """
    SlotLayout.of(settings.vocab)
    value = serialize(configured(settings.vocab, from_window))
    with contextlib.closing(KafkaCluster(settings).producer()) as producer:
        producer.deliver([Output(TWEETS.name, value, SETTINGS_KEY, partition=SETTINGS_PARTITION)])

"""Passes vocabulary settings on: `tweets`, partition 0 -> every partition of `vocab-counts`.

The source assigns their window: the first window that it has not closed at their place in its log, or a later one
that the operator asked for. That depends on the log alone, and so does the window from which every owner applies
them.
"""

from collections.abc import Iterable

import msgspec

from contracts.codec import Codec, serialize
from contracts.errors import BadRecord, SettingsError
from contracts.records import SETTINGS_KEY, VocabConfigured
from contracts.settings import Settings, VocabSettings
from contracts.topics import TWEETS, VOCAB_COUNTS
from transport.dead_letters import dead_letter
from transport.ports.kafka_records import LogRecord
from transport.processor import Output
from vocab.rules import settings_of
from vocab.slot_layout import SlotLayout

deserialize_settings = Codec(VocabConfigured).deserialize


def pass_on(settings: Settings, records: Iterable[LogRecord], closed_through: int) -> list[Output]:
    """The settings records for the owners, and a dead letter for each record that no owner could apply."""
    outputs: list[Output] = []
    for record in records:
        try:
            sent = deserialize_settings(record.value or b"")
            _check(settings.vocab, sent)
        except BadRecord as error:
            outputs.append(dead_letter(TWEETS, record, error))
            continue
        outputs += to_owners(settings, sent, closed_through)
    return outputs


def to_owners(settings: Settings, sent: VocabConfigured, closed_through: int) -> list[Output]:
    """Vocabulary settings, `sent` by a source that has closed its windows up to `closed_through`."""
    due = msgspec.structs.replace(sent, from_window=max(sent.from_window, closed_through + 1))
    value = serialize(due)
    return [
        Output(VOCAB_COUNTS.name, value, key=SETTINGS_KEY, partition=partition)
        for partition in range(VOCAB_COUNTS.partitions(settings))
    ]


def _check(vocabulary: VocabSettings, settings: VocabConfigured) -> None:
    if settings.vocabulary != vocabulary.name:
        raise BadRecord("foreign_vocabulary", f"settings of {settings.vocabulary!r}, not of {vocabulary.name!r}")
    try:
        SlotLayout.of(vocabulary).changed(settings_of(settings))
    except SettingsError as error:
        raise BadRecord("bad_settings", str(error)) from error

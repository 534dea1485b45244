"""A field or column out of the range that its record declares is malformed, and nothing else is ever raised."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from contracts.codec import Codec, serialize
from contracts.errors import BadRecord
from contracts.frames import Frame
from tests.golden.samples import RECORDS
from tests.support.type_swaps import OTHERS, swapped

JSON_RECORDS = [name for name, record in RECORDS.items() if not isinstance(record, Frame)]
FRAMES = [name for name, record in RECORDS.items() if isinstance(record, Frame)]


def crash(name: str, value: bytes) -> Exception | None:
    """What a codec raised that is no `BadRecord`."""
    try:
        Codec(type(RECORDS[name])).deserialize(value)
    except BadRecord:
        return None
    except Exception as error:  # noqa: BLE001 - what these tests look for
        return error
    return None


@pytest.mark.parametrize("name", JSON_RECORDS)
def test_any_type_at_any_place_of_a_record_is_read_or_malformed(name: str) -> None:
    sample = json.loads(serialize(RECORDS[name]))
    crashed = {
        (path, repr(other)) for path, other, whole in swapped(sample) if crash(name, json.dumps(whole).encode())
    }
    assert not crashed


@pytest.mark.parametrize("name", FRAMES)
def test_any_type_in_any_field_of_a_frame_is_read_or_malformed(name: str) -> None:
    sample = msgspec.msgpack.decode(serialize(RECORDS[name]))
    texts = [other for other in OTHERS if other not in ("\ud800", 2**70)]  # MessagePack has neither
    others = [*texts, msgspec.msgpack.Ext(0, b"x"), msgspec.msgpack.Ext(3, b"short"), msgspec.msgpack.Ext(99, b"")]
    crashed = {
        (field, repr(other))
        for field in sample
        for other in others
        if crash(name, msgspec.msgpack.encode({**sample, field: other}))
    }
    assert not crashed


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("CandidatesServed", "viewer_id", -1),
        ("CandidatesServed", "viewer_id", 2**63),
        ("CandidatesServed", "at_ms", 2**63),
        ("CandidatesServed", "at_ms", 0),
        ("CandidatesServed", "model_version", 2**63),
        ("CandidatesServed", "vocab_version", -1),
        ("CandidatesServed", "bins_version", 2**64 - 1),
        ("VocabCounts", "window", 2**32 + 1),
        ("VocabCounts", "window", -1),
        ("VocabCounts", "closed_through", -2),
        ("BinCounts", "source_partition", -1),
        ("VocabDelta", "shard", 2**31),
        ("VocabDelta", "version", -1),
    ],
)
def test_a_number_outside_of_its_range_is_malformed_and_named(name: str, field: str, value: int) -> None:
    sample = msgspec.msgpack.decode(serialize(RECORDS[name]))
    with pytest.raises(BadRecord, match=rf"malformed: {name}: .*\$\.{field}"):
        Codec(type(RECORDS[name])).deserialize(msgspec.msgpack.encode({**sample, field: value}))


@pytest.mark.parametrize(
    ("name", "field", "element"),
    [
        ("CandidatesServed", "tweet_ids", 2**63),
        ("CandidatesServed", "author_ids", 2**64 - 1),
        ("CandidatesServed", "probabilities", 1.5),
        ("CandidatesServed", "probabilities", -np.inf),
        ("FeatureUpdates", "kinds", 4),
        ("FeatureUpdates", "history_at_ms", 0),
        ("FeatureUpdates", "history_tweets", 2**63),
        ("VocabDelta", "admitted_slots", -1),
        ("VocabDelta", "evicted_slots", -(2**31)),
    ],
)
def test_an_element_outside_of_its_columns_range_is_malformed_and_never_written(
    name: str, field: str, element: Any
) -> None:
    record = RECORDS[name]
    column = getattr(record, field)
    changed = np.append(column, np.array([element], column.dtype))
    with pytest.raises(ValueError, match=rf"Expected elements of .*\$\.{field}"):
        serialize(msgspec.structs.replace(record, **{field: changed}))
    sample = msgspec.msgpack.decode(serialize(record))
    written = msgspec.msgpack.Ext(sample[field].code, changed.tobytes())
    with pytest.raises(BadRecord, match=rf"malformed: {name}: Expected elements of .*\$\.{field}"):
        Codec(type(record)).deserialize(msgspec.msgpack.encode({**sample, field: written}))


def test_a_probability_that_is_not_known_is_in_its_range() -> None:
    record = RECORDS["CandidatesServed"]
    unknown = np.full(len(record.probabilities), np.nan, np.float32)
    value = serialize(msgspec.structs.replace(record, probabilities=unknown))
    assert np.isnan(Codec(type(record)).deserialize(value).probabilities).all()

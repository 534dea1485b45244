"""A record type that has changed: its codec reads the older version only where it was told how."""

import msgspec
import pytest

from contracts.codec import Codec, Record, serialize
from contracts.errors import BadRecord, UnknownVersion


class Reading(Record, frozen=True, kw_only=True):
    """A temperature. Version 1 had it in whole degrees, and did not name the sensor."""

    v: int = 2
    sensor: str
    millidegrees: int


class ReadingV1(Record, frozen=True, kw_only=True):
    """Version 1 of `Reading`."""

    degrees: int


def from_version_1(value: bytes) -> Reading:
    """Version 1 in today's shape."""
    return Reading(sensor="", millidegrees=1_000 * DESERIALIZE_V1(value).degrees)


DESERIALIZE_V1 = Codec(ReadingV1).deserialize
BOTH = Codec(Reading, older={1: from_version_1})


def test_an_older_version_is_read_as_its_reader_says():
    assert BOTH.deserialize(serialize(ReadingV1(degrees=21))) == Reading(sensor="", millidegrees=21_000)


def test_the_newest_version_is_read_beside_it():
    reading = Reading(sensor="roof", millidegrees=-500)
    assert BOTH.deserialize(serialize(reading)) == reading


def test_an_older_value_that_parses_as_the_newest_goes_to_its_reader_all_the_same():
    value = b'{"v":1,"degrees":21,"sensor":"roof","millidegrees":5}'
    assert BOTH.deserialize(value) == Reading(sensor="", millidegrees=21_000)


def test_an_older_version_without_a_reader_is_refused_and_so_is_a_newer_one():
    with pytest.raises(UnknownVersion, match="Reading version 1 is older than 2, and this code has no reader for it"):
        Codec(Reading).deserialize(serialize(ReadingV1(degrees=21)))
    newer = msgspec.structs.replace(Reading(sensor="roof", millidegrees=0), v=3)
    with pytest.raises(UnknownVersion, match="Reading version 3 is newer than 2"):
        BOTH.deserialize(serialize(newer))


def test_a_damaged_older_value_is_malformed_and_names_its_field():
    with pytest.raises(BadRecord, match=r"malformed: ReadingV1: .*\$\.degrees"):
        BOTH.deserialize(b'{"v":1,"degrees":"warm"}')


def test_a_value_without_a_version_that_does_not_parse_is_malformed():
    with pytest.raises(BadRecord, match=r"malformed: Reading: .*`sensor`"):
        BOTH.deserialize(b'{"degrees":21}')

"""Events are read with ids as integers or as strings, and with nothing else loosened."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import Codec, serialize
from contracts.errors import BadRecord
from contracts.records import MAX_ID, Engagement, TimelineRequest, Tweet
from contracts.text_ids import EventCodec
from tests.golden.samples import RECORDS
from tests.support.type_swaps import swapped
from tests.support.unhurried import unhurried

IDS = {
    Tweet: ("id", "author_id", "reply_to", "quote_of", "retweet_of"),
    Engagement: ("viewer_id", "tweet_id", "author_id"),
    TimelineRequest: ("viewer_id", "candidates"),
}
EVENTS = tuple(IDS)


def as_text(value):
    return [as_text(item) for item in value] if isinstance(value, list) else str(value)


@pytest.mark.parametrize("event", EVENTS)
def test_any_ids_may_be_strings(event):
    sample = RECORDS[event.__name__]
    codec = EventCodec(event)
    fields = msgspec.json.decode(serialize(sample))
    for some in range(1 << len(IDS[event])):
        chosen = {field for bit, field in enumerate(IDS[event]) if some >> bit & 1}
        mixed = {name: as_text(value) if name in chosen else value for name, value in fields.items()}
        assert codec.deserialize(msgspec.json.encode(mixed)) == sample


@unhurried
@given(st.integers(0, 2 * MAX_ID))
def test_a_string_is_read_as_the_integer_would_be(number):
    fields = msgspec.json.decode(serialize(RECORDS["TimelineRequest"]))
    value = msgspec.json.encode({**fields, "viewer_id": str(number)})
    if number <= MAX_ID:
        assert EventCodec(TimelineRequest).deserialize(value).viewer_id == number
    else:
        with pytest.raises(BadRecord, match=r"viewer_id"):
            EventCodec(TimelineRequest).deserialize(value)


@pytest.mark.parametrize("text", ["", " 7", "7 ", "7\n", "+7", "-7", "07", "0x7", "7.0", "٧", "1e3", "seven"])
def test_other_strings_are_no_ids(text):
    fields = msgspec.json.decode(serialize(RECORDS["TimelineRequest"]))
    for wrong in ({"viewer_id": text}, {"candidates": ["1", text]}):
        with pytest.raises(BadRecord, match=next(iter(wrong))):
            EventCodec(TimelineRequest).deserialize(msgspec.json.encode({**fields, **wrong}))


@pytest.mark.parametrize("event", EVENTS)
def test_no_other_field_is_read_less_strictly(event):
    """Any type at any place: what the strict codec refuses is refused, but for digits in place of an id."""
    strict, loose = Codec(event), EventCodec(event)
    for path, other, whole in swapped(msgspec.json.decode(serialize(RECORDS[event.__name__]))):
        if other == "\ud800":
            continue  # not encodable
        value = msgspec.json.encode(whole)
        try:
            expected = strict.deserialize(value)
        except BadRecord:
            if other == "7" and path and path[0] in IDS[event] and path != ("candidates",):
                loose.deserialize(value)
            else:
                with pytest.raises(BadRecord):
                    loose.deserialize(value)
        else:
            assert loose.deserialize(value) == expected


def test_the_reason_is_that_of_the_other_fault_not_of_the_strings():
    fields = msgspec.json.decode(serialize(RECORDS["TimelineRequest"]))
    value = msgspec.json.encode({**fields, "viewer_id": "7", "limit": 0})
    with pytest.raises(BadRecord, match=r"limit"):
        EventCodec(TimelineRequest).deserialize(value)

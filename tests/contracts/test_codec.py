"""The codec over anything: what was written is read back, and what is no such record is refused with the reason."""

import contextlib
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.codec import Codec, serialize
from contracts.columnar import BinCounts, CandidatesServed, VocabCounts
from contracts.errors import BadRecord, UnknownVersion
from contracts.frames import Frame
from contracts.records import (
    END_OF_TIME_MS,
    MAX_CANDIDATES,
    MAX_TEXT_CHARS,
    TWITTER_BEGAN_MS,
    Action,
    BinsVersion,
    DeadLetter,
    Engagement,
    Provenance,
    RankedTimeline,
    RankedTweet,
    TimelineRequest,
    Tweet,
)
from tests.golden.compare import assert_same_record
from tests.golden.samples import RECORDS
from tests.support.unhurried import unhurried

IDS = st.integers(0, 2**63 - 1)
TIMES = st.integers(TWITTER_BEGAN_MS, END_OF_TIME_MS)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
TWEETS = st.builds(
    Tweet, v=st.just(1), id=IDS, created_ms=TIMES, author_id=IDS, author=NAMES,
    lang=NAMES.map(lambda name: name[:35]), text=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    provenance=st.sampled_from(Provenance),
    author_followers=st.none() | st.integers(0, 2**53), author_following=st.none() | st.integers(0, 2**53),
    entities=st.none(), public_counts=st.none(), reply_to=st.none() | IDS, quote_of=st.none() | IDS,
    retweet_of=st.none() | IDS, media=st.integers(0, 255),
)  # fmt: skip
ENGAGEMENTS = st.builds(
    Engagement, v=st.just(1), viewer_id=IDS, tweet_id=IDS, author_id=IDS, at_ms=TIMES, request_id=st.none() | NAMES,
    action=st.sampled_from(Action), position=st.none() | st.integers(0, 10_000),
    dwell_ms=st.none() | st.integers(0, 2**53), provenance=st.sampled_from(Provenance),
)  # fmt: skip
REQUESTS = st.builds(
    TimelineRequest, v=st.just(1), request_id=NAMES, viewer_id=IDS, at_ms=TIMES, limit=st.integers(1, MAX_CANDIDATES),
    candidates=st.none() | st.lists(IDS, max_size=20), explain=st.booleans(), provenance=st.sampled_from(Provenance),
)  # fmt: skip
LETTERS = st.builds(
    DeadLetter, v=st.just(1), reason=NAMES, detail=NAMES, topic=NAMES, partition=st.integers(0, 99), offset=IDS,
    key=st.none() | st.binary(max_size=50), value=st.none() | st.binary(max_size=200),
)  # fmt: skip


@unhurried
@given(TWEETS | ENGAGEMENTS | REQUESTS | LETTERS)
def test_records_round_trip(record):
    assert Codec(type(record)).deserialize(serialize(record)) == record


@unhurried
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=20))
def test_bin_edges_keep_every_bit_of_a_float32_in_json(edges):
    record = BinsVersion(base_version=0, version=1, sequence=1, edges={"f": edges}, cells={})
    back = np.array(Codec(BinsVersion).deserialize(serialize(record)).edges["f"], np.float32)
    assert back.tobytes() == np.array(edges, np.float32).tobytes()


@unhurried
@given(st.floats(0, 1, width=32))
def test_a_probability_keeps_every_bit_of_a_float32_in_json(probability):
    record = RankedTimeline(
        request_id="r", viewer_id="1", at_ms=TWITTER_BEGAN_MS, ranker="model",
        tweets=[RankedTweet(id="1", probability=float(np.float32(probability)))],
    )  # fmt: skip
    back = Codec(RankedTimeline).deserialize(serialize(record)).tweets[0].probability
    assert np.float32(back).tobytes() == np.float32(probability).tobytes()


@st.composite
def frames(draw):
    """Counts of any number of rows, with any values that the columns can hold."""
    n = draw(st.integers(0, 5))
    tokens = draw(st.lists(NAMES, max_size=3))
    return VocabCounts(
        source_topic=draw(NAMES), source_partition=draw(st.integers(0, 9)),
        closed_through=draw(st.integers(-1, 2**32)), window=draw(st.integers(0, 2**32)),
        keys=draw(arrays(np.uint64, n)), namespaces=draw(arrays(np.uint8, n)),
        counts=draw(arrays(np.uint32, n)), token_keys=draw(arrays(np.uint64, len(tokens))), tokens=tokens,
        languages=draw(arrays(np.uint16, n)),
    )  # fmt: skip


@unhurried
@given(frames())
def test_frames_round_trip_to_aligned_read_only_columns(frame):
    back = Codec(VocabCounts).deserialize(serialize(frame))
    assert_same_record(back, frame)
    for column in (back.keys, back.namespaces, back.counts, back.token_keys):
        assert column.flags.aligned
        assert not column.flags.writeable


class Columns(Frame, frozen=True, kw_only=True):
    """A frame with one column, of whatever dtype."""

    column: np.ndarray


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"])
def test_every_dtype_that_travels_keeps_its_bits(dtype):
    column = np.frombuffer(bytes(range(1, 49)), np.dtype(dtype))
    assert_same_record(Codec(Columns).deserialize(serialize(Columns(column=column))), Columns(column=column))


def test_a_strided_column_travels_as_its_values():
    back = Codec(Columns).deserialize(serialize(Columns(column=np.arange(10, dtype=np.int64)[::3])))
    assert back.column.tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize("name", ["keys", "namespaces", "counts", "languages"])
def test_a_column_of_another_dtype_is_refused_by_writer_and_reader(name):
    sample = RECORDS["VocabCounts"]
    wrong = msgspec.structs.replace(sample, **{name: getattr(sample, name).astype(np.float64)})
    with pytest.raises(ValueError, match=rf"Expected a column of `uint\d+`, got `float64` - at `\$.{name}`"):
        serialize(wrong)
    codes = {"uint64": 3, "uint8": 0, "uint16": 1, "uint32": 2, "float64": 7}
    foreign = msgspec.msgpack.encode(
        {field: getattr(wrong, field) for field in wrong.__struct_fields__},
        enc_hook=lambda column: msgspec.msgpack.Ext(codes[column.dtype.name], column.tobytes()),
    )
    with pytest.raises(BadRecord, match="Expected a column of"):
        Codec(VocabCounts).deserialize(foreign)


def test_a_matrix_does_not_travel_as_a_column():
    with pytest.raises(TypeError, match=r"one-dimensional, got shape \(2, 2\)"):
        serialize(Columns(column=np.zeros((2, 2))))


@pytest.mark.parametrize(
    ("name", "field"), [("Tweet", "id"), ("TimelineRequest", "at_ms"), ("Engagement", "viewer_id")]
)
@pytest.mark.parametrize("value", [-1, 2**63, 2**200, "1", None, 1.5])
def test_numbers_out_of_range_or_of_another_type_are_malformed_and_the_path_is_named(name, field, value):
    broken = msgspec.json.decode(serialize(RECORDS[name]))
    broken[field] = value
    with pytest.raises(BadRecord, match=rf"malformed: {name}: .*\$\.{field}|malformed: {name}: .*out of range"):
        Codec(type(RECORDS[name])).deserialize(_json(broken))


def _json(value: dict) -> bytes:
    """JSON as another program writes it: integers of any size."""
    return json.dumps(value).encode()


@pytest.mark.parametrize("at_ms", [0, TWITTER_BEGAN_MS - 1, END_OF_TIME_MS + 1])
def test_times_outside_of_twitters_life_are_malformed(at_ms):
    broken = msgspec.json.decode(serialize(RECORDS["Tweet"])) | {"created_ms": at_ms}
    with pytest.raises(BadRecord, match=r"\$\.created_ms"):
        Codec(Tweet).deserialize(_json(broken))


def test_a_text_longer_than_any_post_is_malformed():
    broken = msgspec.json.decode(serialize(RECORDS["Tweet"])) | {"text": "x" * (MAX_TEXT_CHARS + 1)}
    with pytest.raises(BadRecord, match=r"\$\.text"):
        Codec(Tweet).deserialize(_json(broken))


@pytest.mark.parametrize(
    "value",
    [b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"text":"\xc3("}', b'{"text":"\\ud83d"}', b"[" * 100_000, b'{"v":1}'],
    ids=["empty", "null", "array", "cut", "binary", "invalid-utf8", "lone-surrogate", "deep", "no-fields"],
)
def test_bytes_that_are_no_tweet_are_malformed(value):
    with pytest.raises(BadRecord) as caught:
        Codec(Tweet).deserialize(value)
    assert caught.value.reason == "malformed"


@unhurried
@given(st.binary(max_size=80))
def test_no_bytes_make_the_codec_raise_anything_else(value):
    for record_type in (Tweet, BinCounts):
        with pytest.raises(BadRecord):
            Codec(record_type).deserialize(value)


@unhurried
@given(st.data())
def test_no_damaged_frame_makes_the_codec_raise_anything_else(data):
    value = bytearray(serialize(RECORDS["CandidatesServed"]))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadRecord):  # a changed value inside of a column is still a record
        Codec(CandidatesServed).deserialize(bytes(value))


def test_a_newer_layout_that_no_longer_parses_is_called_newer_rather_than_malformed():
    with pytest.raises(UnknownVersion, match="Tweet version 9 is newer than 1"):
        Codec(Tweet).deserialize(b'{"v":9,"id":"now-a-string"}')


@pytest.mark.parametrize("version", [0, -1])
def test_a_version_that_never_existed_is_malformed(version):
    with pytest.raises(BadRecord, match=f"version {version} never existed"):
        Codec(Tweet).deserialize(serialize(msgspec.structs.replace(RECORDS["Tweet"], v=version)))


def test_a_field_that_this_code_does_not_know_is_left_alone():
    assert (
        Codec(Tweet).deserialize(_json(msgspec.json.decode(serialize(RECORDS["Tweet"])) | {"extra": 1}))
        == RECORDS["Tweet"]
    )

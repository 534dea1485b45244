"""Columns of odd shapes: no candidates, empty bags, missing values, the longest bags that travel."""

import dataclasses
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.codec import Codec, encode
from contracts.columns import MISSING_BITS, FeatureColumns, Ragged, Side, is_missing, is_nan
from contracts.errors import BadRecord
from contracts.examples import PROVENANCES, Examples, decode_examples, encode_examples
from contracts.frames import CandidatesServed
from contracts.records import Provenance
from contracts.served import PackedBags, pack_bags, pack_vectors, served_features, unpack_bags, unpack_vectors
from tests.golden.compare import assert_same_bags, assert_same_bits, assert_same_features
from tests.golden.samples import EXAMPLES, RECORDS
from tests.unhurried import unhurried

VIEWER = Side(splits=("viewer", "history"), valued=("history",), vectors=(("clock", 2),))
CANDIDATE = Side(splits=("text", "tags", "author"), valued=("author", "text"), vectors=(("image", 3), ("sound", 1)))
BITS = st.integers(0, 2**32 - 1) | st.sampled_from([int(MISSING_BITS), 0x7FC00000, 0xFFC00000, 0x7F800001])


def floats(shape):
    """float32 of any bits: NaNs of every kind, infinities and -0.0 included."""
    return arrays(np.uint32, shape, elements=BITS).map(lambda bits: bits.view(np.float32))


@st.composite
def bags(draw, rows, longest=5, valued=None):
    """`rows` bags, many of them empty; with values, without, or as it comes."""
    lengths = draw(arrays(np.int64, rows, elements=st.integers(0, longest)))
    keys = int(lengths.sum())
    has_values = draw(st.booleans()) if valued is None else valued
    return Ragged.from_lengths(lengths, draw(arrays(np.uint64, keys)), draw(floats(keys)) if has_values else None)


def sides(draw, side, rows):
    """(bags by split, vectors by name) of `rows` rows."""
    return (
        {split: draw(bags(rows, valued=split in side.valued)) for split in side.splits},
        {name: draw(floats((rows, width))) for name, width in side.vectors},
    )


@st.composite
def feature_columns(draw, requests=None):
    """Some viewers, none or some candidates of each, in order of their viewers."""
    per_viewer = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)) if requests is None else requests
    m, n = len(per_viewer), sum(per_viewer)
    viewer_keys, viewer_vectors = sides(draw, VIEWER, m)
    candidate_keys, candidate_vectors = sides(draw, CANDIDATE, n)
    return FeatureColumns(
        viewer_row=np.repeat(np.arange(m, dtype=np.int32), per_viewer),
        viewer_dense=draw(floats((m, 2))),
        viewer_keys=viewer_keys,
        candidate_dense=draw(floats((n, 3))),
        candidate_keys=candidate_keys,
        viewer_vectors=viewer_vectors,
        candidate_vectors=candidate_vectors,
    )


def served(features: FeatureColumns) -> CandidatesServed:
    """The record of one request (one viewer)."""
    n = len(features)
    viewer = pack_bags(features.viewer_keys, VIEWER)
    candidate = pack_bags(features.candidate_keys, CANDIDATE)
    return CandidatesServed(
        request_id="r", viewer_id=1, at_ms=1, ranker="model", model_version=1, vocab_version=1, bins_version=1,
        tokenizer=1, feature_set="fs", provenance=Provenance.REAL, tweet_ids=np.arange(n, dtype=np.uint64),
        author_ids=np.zeros(n, np.uint64), probabilities=np.full(n, np.nan, np.float32),
        viewer_dense=features.viewer_dense.reshape(-1), viewer_lengths=viewer.lengths, viewer_keys=viewer.keys,
        viewer_values=viewer.values, viewer_vectors=pack_vectors(features.viewer_vectors, VIEWER),
        candidate_dense=features.candidate_dense.reshape(-1), candidate_lengths=candidate.lengths,
        candidate_keys=candidate.keys, candidate_values=candidate.values,
        candidate_vectors=pack_vectors(features.candidate_vectors, CANDIDATE),
    )  # fmt: skip


@unhurried
@given(st.integers(0, 6).flatmap(bags), st.data())
def test_taking_bags_gives_each_as_it_was(ragged, data):
    rows = data.draw(st.lists(st.integers(0, len(ragged) - 1), max_size=8)) if len(ragged) else []
    taken = ragged.take(np.array(rows, np.int64))
    assert [bag.tolist() for bag in map(taken.__getitem__, range(len(taken)))] == [ragged[i].tolist() for i in rows]
    assert values_of(taken) == [values_of(ragged)[i] for i in rows]


@unhurried
@given(st.lists(st.integers(0, 3).flatmap(bags), max_size=4))
def test_concatenated_bags_are_the_bags_of_all_parts_in_order(parts):
    whole = Ragged.concatenate(parts)
    assert [whole[i].tolist() for i in range(len(whole))] == [
        part[i].tolist() for part in parts for i in range(len(part))
    ]
    assert values_of(whole) == [values for part in parts for values in values_of(part)]
    assert (whole.values is None) == all(part.values is None for part in parts)


def values_of(ragged: Ragged) -> list[bytes]:
    """The bits of each bag's values, written out where they are all 1."""
    values = ragged.values_or_ones()
    return [values[begin:end].tobytes() for begin, end in pairwise(ragged.offsets.tolist())]


def test_lengths_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="lengths add up to 3, but there are 2 keys"):
        Ragged.from_lengths(np.array([1, 2]), np.zeros(2, np.uint64))
    with pytest.raises(ValueError, match="there are 2 keys, but 1 values"):
        Ragged.from_lengths(np.array([1, 1]), np.zeros(2, np.uint64), np.zeros(1, np.float32))


PACKED = Side(splits=("b", "a", "c"), valued=("a", "b"))


@unhurried
@given(st.integers(0, 4).flatmap(lambda n: st.fixed_dictionaries({
    "a": bags(n, valued=True), "b": bags(n, valued=True), "c": bags(n, valued=False)
})))  # fmt: skip
def test_bags_packed_by_row_unpack_by_split(by_split):
    packed = pack_bags(by_split, PACKED)
    found = unpack_bags(packed, PACKED)
    assert list(found) == ["b", "a", "c"]
    for split, ragged in found.items():
        assert_same_bags(ragged, by_split[split])
    plain = unpack_bags(pack_bags(by_split, Side(PACKED.splits)), Side(PACKED.splits))
    assert all(ragged.values is None for ragged in plain.values())


def test_a_split_with_values_that_were_not_written_out_comes_back_with_ones():
    bag = Ragged.from_lengths(np.array([2]), np.arange(2, dtype=np.uint64))
    side = Side(("a",), valued=("a",))
    assert unpack_bags(pack_bags({"a": bag}, side), side)["a"].values.tolist() == [1.0, 1.0]


def test_the_longest_bag_that_travels_has_255_keys():
    longest, side = Ragged.from_lengths(np.array([255, 0]), np.arange(255, dtype=np.uint64)), Side(("a",))
    assert_same_bags(unpack_bags(pack_bags({"a": longest}, side), side)["a"], longest)
    with pytest.raises(ValueError, match="256 keys is past the 255"):
        pack_bags({"a": Ragged.from_lengths(np.array([256]), np.arange(256, dtype=np.uint64))}, side)


def test_bags_that_are_not_whole_rows_or_lack_values_are_refused():
    nothing = np.empty(0, np.float32)
    with pytest.raises(ValueError, match="3 bags are not rows of 2 splits"):
        unpack_bags(PackedBags(np.zeros(3, np.uint8), np.empty(0, np.uint64), nothing), Side(("a", "b")))
    with pytest.raises(ValueError, match="2 keys have values, but there are 0 values"):
        unpack_bags(PackedBags(np.array([1, 2], np.uint8), np.zeros(3, np.uint64), nothing), Side(("a", "b"), ("b",)))


@unhurried
@given(st.integers(0, 4).flatmap(lambda n: st.tuples(floats((n, 3)), floats((n, 1)))))
def test_vectors_packed_by_row_unpack_by_name(vectors):
    image, sound = vectors
    packed = pack_vectors({"sound": sound, "image": image}, CANDIDATE)
    found = unpack_vectors(packed, len(image), CANDIDATE)
    assert list(found) == ["image", "sound"]
    assert_same_bits(found["image"], image)
    assert_same_bits(found["sound"], sound)
    assert unpack_vectors(pack_vectors({}, PACKED), len(image), PACKED) == {}


@unhurried
@given(st.integers(0, 5).flatmap(lambda n: feature_columns(requests=[n])))
def test_what_was_served_comes_back_bit_for_bit(features):
    record = Codec(CandidatesServed).decode(encode(served(features)))
    found = served_features(record, VIEWER, CANDIDATE)
    if len(features) == 0:  # the record does not say how wide its rows would have been
        features = dataclasses.replace(features, candidate_dense=np.empty((0, 0), np.float32))
    assert_same_features(found, features)


@pytest.mark.parametrize(
    "damage",
    [
        {"candidate_dense": np.zeros(5, np.float32)},
        {"author_ids": np.zeros(1, np.uint64)},
        {"probabilities": np.zeros(3, np.float32)},
        {"candidate_lengths": np.zeros(6, np.uint8)},
        {"candidate_lengths": np.zeros(3, np.uint8), "candidate_keys": np.empty(0, np.uint64)},
        {"viewer_lengths": np.array([1, 0, 0], np.uint8)},
        {"viewer_lengths": np.array([1, 0, 0, 0], np.uint8)},
        {"viewer_values": np.zeros(1, np.float32)},
        {"candidate_values": np.zeros(4, np.float32)},
        {"viewer_vectors": np.zeros(1, np.float32)},
        {"candidate_vectors": np.zeros(9, np.float32)},
    ],
    ids=lambda damage: "+".join(damage),
)
def test_a_served_record_whose_columns_do_not_fit_is_malformed(damage):
    record = msgspec.structs.replace(RECORDS["CandidatesServed"], **damage)
    with pytest.raises(BadRecord, match="malformed: CandidatesServed r-1: "):
        served_features(record, VIEWER, CANDIDATE)


@unhurried
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4).flatmap(
    lambda counts: st.tuples(*(feature_columns(requests=[count]) for count in counts))
))  # fmt: skip
def test_requests_served_apart_concatenate_to_one_batch_even_those_of_no_candidates(parts):
    records = [served_features(served(part), VIEWER, CANDIDATE) for part in parts]
    whole = FeatureColumns.concatenate(records)
    assert len(whole.viewer_dense) == len(parts)
    assert len(whole) == len(whole.candidate_dense) == sum(map(len, parts))
    for row, part in enumerate(parts):
        mine = whole.take(np.flatnonzero(whole.viewer_row == row))
        for split in CANDIDATE.splits:
            assert_same_bags(mine.candidate_keys[split], part.candidate_keys[split])
        if len(part):
            assert_same_bits(mine.candidate_dense, part.candidate_dense)
        assert_same_bits(whole.viewer_dense[row], part.viewer_dense[0])


@st.composite
def examples(draw):
    """Examples of none or some requests, each of one or more impressions."""
    counts = draw(st.lists(st.integers(1, 3), max_size=3))
    features = draw(feature_columns(requests=counts))
    n = len(features)
    column = {np.uint64: arrays(np.uint64, n), np.int64: arrays(np.int64, n), np.uint16: arrays(np.uint16, n)}
    return Examples(
        feature_set="fs", features=features,
        request_ids=[f"r{i}" for i, count in enumerate(counts) for _ in range(count)],
        viewer_ids=draw(column[np.uint64]), tweet_ids=draw(column[np.uint64]), at_ms=draw(column[np.int64]),
        positions=draw(column[np.uint16]), labels=draw(column[np.uint16]), weights=draw(floats(n)),
        probabilities=draw(floats(n)), model_versions=draw(column[np.int64]), vocab_versions=draw(column[np.int64]),
        bins_versions=draw(column[np.int64]), engaged_append_ms=draw(column[np.int64]),
        provenances=draw(arrays(np.uint8, n, elements=st.integers(0, len(PROVENANCES) - 1))),
    )  # fmt: skip


@unhurried
@given(examples())
def test_examples_round_trip_bit_for_bit(sample):
    found = decode_examples(encode_examples(sample))
    assert_same_features(found.features, sample.features)
    assert list(found.request_ids) == list(sample.request_ids)
    for name in ("viewer_ids", "positions", "labels", "weights", "probabilities", "engaged_append_ms", "provenances"):
        assert_same_bits(getattr(found, name), getattr(sample, name))


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _arrow() -> pa.Table:
    return pa.ipc.open_stream(encode_examples(EXAMPLES)).read_all()


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("labels", pa.array([1.0, 2.0, 3.0]), "column labels may not be of double"),
        ("tweet_ids", pa.array([1, None, 3], pa.uint64()), "column tweet_ids has nulls"),
        ("request_ids", pa.array([1, 2, 3]), "column request_ids may not be of int64"),
        ("viewer_dense", pa.array([1.0, 2.0, 3.0]), "column viewer_dense may not be of double"),
        ("provenances", pa.array([0, 1, 2]), "column provenances may not be of int64"),
        ("provenances", pa.array(["real", "real", "dream"]).dictionary_encode(), "'dream' is not a valid Provenance"),
        ("candidate_keys.text", pa.array([[1], [], []], pa.list_(pa.int32())), "column candidate_keys.text may not"),
        (
            "candidate_values.text",
            pa.array([[], [2], [5]], pa.list_(pa.int32())),
            "candidate_values.text may not",
        ),
        (
            "candidate_values.text",
            pa.array([[2], [3], [5]], pa.list_(pa.float32())),
            "values of text are not one",
        ),
        ("candidate_vectors.image", pa.array([1.0, 2.0, 3.0]), "column candidate_vectors.image may not"),
    ],
)
def test_examples_with_a_column_of_another_kind_are_malformed(column, values, complaint):
    table = _arrow()
    place = table.column_names.index(column)
    with pytest.raises(BadRecord, match=complaint):
        decode_examples(_stream(table.set_column(place, column, values)))


def test_nulls_among_dense_values_are_missing_and_nans_stay_nans():
    for kind in (pa.list_(pa.float32(), 2), pa.list_(pa.field("item", pa.float32(), nullable=True), 2)):
        values = pa.array([[1.5, None], [float("nan"), None], [2.0, 3.0]], kind)
        table = _arrow()
        place = table.column_names.index("candidate_dense")
        found = decode_examples(_stream(table.set_column(place, "candidate_dense", values))).features.candidate_dense
        assert is_missing(found).tolist() == [[False, True], [False, True], [False, False]]
        assert is_nan(found).tolist() == [[False, False], [True, False], [False, False]]
        assert found[~np.isnan(found)].tolist() == [1.5, 2.0, 3.0]


def test_examples_without_a_column_or_without_a_version_are_malformed():
    with pytest.raises(BadRecord, match="labels"):
        decode_examples(_stream(_arrow().drop_columns(["labels"])))
    with pytest.raises(BadRecord, match=r"driftline\.version"):
        decode_examples(_stream(_arrow().replace_schema_metadata({})))


def test_examples_cut_short_anywhere_are_malformed():
    value = encode_examples(EXAMPLES)
    for end in range(0, len(value) - 8, 7):  # the last 8 bytes only mark the end of the stream
        with pytest.raises(BadRecord, match="malformed: Examples"):
            decode_examples(value[:end])


def test_examples_of_another_dtype_are_not_written():
    wrong = {name: getattr(EXAMPLES, name) for name in EXAMPLES.__dataclass_fields__} | {"labels": np.zeros(3)}
    with pytest.raises(ValueError, match="column labels is of float64, expected uint16"):
        encode_examples(Examples(**wrong))

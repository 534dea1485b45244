"""What is served travels bit for bit: no candidates, empty bags, missing values, the longest bags there are."""

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bags import Bags
from contracts.codec import Codec, serialize
from contracts.columnar import CandidatesServed
from contracts.columns import FeatureColumns, Side
from contracts.records import Provenance
from contracts.served import (
    PackedBags,
    count_weights,
    features_of_requests,
    pack_bags,
    pack_vectors,
    unpack_bags,
    unpack_vectors,
)
from tests.golden.compare import assert_same_bags, assert_same_bits, assert_same_features
from tests.golden.samples import RECORDS
from tests.support.column_strategies import CANDIDATE, VIEWER, bags, feature_columns, floats
from tests.support.unhurried import unhurried


def served(features: FeatureColumns) -> CandidatesServed:
    """The record of one request (one viewer)."""
    n = len(features)
    viewer = pack_bags(features.viewer_keys, VIEWER)
    candidate = pack_bags(features.candidate_keys, CANDIDATE)
    return CandidatesServed(
        request_id="r", viewer_id=1, at_ms=1_700_000_000_000, ranker="model",
        model_version=1, vocab_version=1, bins_version=1, tokenizer=1,
        feature_set="fs", provenance=Provenance.REAL, tweet_ids=np.arange(n, dtype=np.uint64),
        author_ids=np.zeros(n, np.uint64), probabilities=np.full(n, np.nan, np.float32),
        viewer_dense=features.viewer_dense.reshape(-1), viewer_lengths=viewer.lengths, viewer_keys=viewer.keys,
        viewer_weights=viewer.weights, viewer_vectors=pack_vectors(features.viewer_vectors, VIEWER),
        candidate_dense=features.candidate_dense.reshape(-1), candidate_lengths=candidate.lengths,
        candidate_keys=candidate.keys, candidate_weights=candidate.weights,
        candidate_vectors=pack_vectors(features.candidate_vectors, CANDIDATE),
    )  # fmt: skip


PACKED = Side(fields=("b", "a", "c"), weighted=("a", "b"))


@unhurried
@given(st.integers(0, 4).flatmap(lambda n: st.fixed_dictionaries({
    "a": bags(n, weighted=True), "b": bags(n, weighted=True), "c": bags(n, weighted=False)
})))  # fmt: skip
def test_bags_packed_by_row_unpack_by_field(by_field):
    packed = pack_bags(by_field, PACKED)
    assert len(packed.weights) == count_weights(packed.lengths, PACKED)
    found = unpack_bags(packed, PACKED)
    assert list(found) == ["b", "a", "c"]
    for field, unpacked in found.items():
        assert_same_bags(unpacked, by_field[field])
    plain = unpack_bags(pack_bags(by_field, Side(PACKED.fields)), Side(PACKED.fields))
    assert all(unpacked.weights is None for unpacked in plain.values())


def test_a_field_with_values_that_were_not_written_out_comes_back_with_ones():
    bag = Bags.from_lengths(np.array([2]), np.arange(2, dtype=np.uint64))
    side = Side(("a",), weighted=("a",))
    assert unpack_bags(pack_bags({"a": bag}, side), side)["a"].weights.tolist() == [1.0, 1.0]


def test_the_longest_bag_that_travels_has_255_keys():
    longest, side = Bags.from_lengths(np.array([255, 0]), np.arange(255, dtype=np.uint64)), Side(("a",))
    assert_same_bags(unpack_bags(pack_bags({"a": longest}, side), side)["a"], longest)
    with pytest.raises(ValueError, match="256 keys is past the 255"):
        pack_bags({"a": Bags.from_lengths(np.array([256]), np.arange(256, dtype=np.uint64))}, side)


def test_bags_that_are_not_whole_rows_or_lack_values_are_refused():
    nothing = np.empty(0, np.float32)
    with pytest.raises(ValueError, match="3 bags are not rows of 2 fields"):
        unpack_bags(PackedBags(np.zeros(3, np.uint8), np.empty(0, np.uint64), nothing), Side(("a", "b")))
    with pytest.raises(ValueError, match="2 keys have weights, but there are 0 weights"):
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
    record = Codec(CandidatesServed).deserialize(serialize(served(features)))
    found = features_of_requests([record], VIEWER, CANDIDATE)
    if len(features) == 0:  # the record does not say how wide its rows would have been
        features = dataclasses.replace(features, candidate_dense=np.empty((0, 0), np.float32))
    assert_same_features(found, features)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        ({"candidate_dense": np.zeros(5, np.float32)}, "cannot reshape"),
        ({"candidate_lengths": np.zeros(6, np.uint8)}, "0 keys have weights, but there are 3"),
        (
            {"candidate_lengths": np.zeros(3, np.uint8), "candidate_keys": np.empty(0, np.uint64)},
            "0 keys have weights, but there are 3",
        ),
        ({"viewer_lengths": np.array([1, 0, 0], np.uint8)}, "3 bags are not rows of 2"),
        ({"viewer_weights": np.zeros(1, np.float32)}, "0 keys have weights, but there are 1"),
        ({"candidate_weights": np.zeros(4, np.float32)}, "3 keys have weights, but there are 4"),
        ({"viewer_vectors": np.zeros(1, np.float32)}, "cannot reshape"),
        ({"candidate_vectors": np.zeros(9, np.float32)}, "cannot reshape"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else "",
)
def test_columns_that_do_not_fit_each_other_are_refused(damage, complaint):
    record = msgspec.structs.replace(RECORDS["CandidatesServed"], **damage)
    with pytest.raises(ValueError, match=complaint):
        features_of_requests([record], VIEWER, CANDIDATE)


@unhurried
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4).flatmap(
    lambda counts: st.tuples(*(feature_columns(requests=[count]) for count in counts))
))  # fmt: skip
def test_requests_served_apart_concatenate_to_one_batch_even_those_of_no_candidates(parts):
    records = [served(part) for part in parts]
    whole = FeatureColumns.concatenate([features_of_requests([record], VIEWER, CANDIDATE) for record in records])
    assert_same_features(features_of_requests(records, VIEWER, CANDIDATE), whole)
    assert len(whole.viewer_dense) == len(parts)
    assert len(whole) == len(whole.candidate_dense) == sum(map(len, parts))
    for row, part in enumerate(parts):
        mine = whole.take(np.flatnonzero(whole.viewer_row == row))
        for field in CANDIDATE.fields:
            assert_same_bags(mine.candidate_keys[field], part.candidate_keys[field])
        if len(part):
            assert_same_bits(mine.candidate_dense, part.candidate_dense)
        assert_same_bits(whole.viewer_dense[row], part.viewer_dense[0])

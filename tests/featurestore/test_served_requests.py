"""Served requests in blocks: whichever of them close together, their columns are those of the records."""

import msgspec
import numpy as np
import pytest

from contracts.columnar import CandidatesServed
from contracts.columns import FeatureColumns
from contracts.errors import BadRecord
from contracts.served import features_of_requests
from featurestore.features import CANDIDATE_SIDE, VIEWER_SIDE
from featurestore.join import served_requests
from featurestore.join.served_requests import blocks_of, check_served, dense_of, features_of, unpack_served
from tests.golden.compare import assert_same_bits, assert_same_features
from tests.support.join_runs import served

RECORDS = [served(f"r{i}", i, range(100 * i, 100 * i + n), viewer=i + 1) for i, n in enumerate([3, 1, 0, 4, 2, 0, 5])]


@pytest.fixture(params=[1, 2, 3, 256])
def requests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[served_requests.ServedRequest]:
    """The records unpacked, in blocks of so many."""
    monkeypatch.setattr(served_requests, "BLOCK_REQUESTS", request.param)
    unpacked = unpack_served(RECORDS)
    assert len(blocks_of(unpacked)) == -(-len(RECORDS) // request.param)
    return unpacked


def expected(records: list[CandidatesServed], places: list[np.ndarray]) -> FeatureColumns:
    """The rows, taken out of the records as they are."""
    begins = np.cumsum([0, *(len(record.tweet_ids) for record in records)])
    rows = np.concatenate([at + begin for at, begin in zip(places, begins, strict=False)])
    return features_of_requests(records, VIEWER_SIDE, CANDIDATE_SIDE).take(rows)


@pytest.mark.parametrize("closing", [[0], [3], [0, 1, 3], [6, 0, 4, 3], [4, 3], [1, 6], [0, 1, 3, 4, 6]])
def test_requests_of_any_blocks_give_the_rows_of_their_records(requests, closing):
    random = np.random.default_rng(len(closing))
    places = [
        np.sort(random.permutation(len(RECORDS[i].tweet_ids))[: random.integers(1, 4)]).astype(np.int64)
        for i in closing
    ]
    found = features_of([requests[i] for i in closing], places)
    assert_same_features(found, expected([RECORDS[i] for i in closing], places))


def test_a_request_has_the_tweets_and_the_probabilities_of_its_record(requests):
    for request, record in zip(requests, RECORDS, strict=True):
        assert_same_bits(request.tweet_ids, record.tweet_ids)
        assert_same_bits(request.probabilities, record.probabilities)


def test_dense_features_are_those_of_the_requests_with_candidates(requests):
    whole = features_of_requests([r for r in RECORDS if len(r.tweet_ids)], VIEWER_SIDE, CANDIDATE_SIDE)
    found = dense_of(blocks_of(requests))
    for column in ("viewer_row", "viewer_dense", "candidate_dense"):
        assert_same_bits(getattr(found, column), getattr(whole, column))


COLUMNS = [name for name in CandidatesServed.__struct_fields__ if isinstance(getattr(RECORDS[0], name), np.ndarray)]


def changed(column: str, to: np.ndarray) -> CandidatesServed:
    return msgspec.structs.replace(RECORDS[0], **{column: to})


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_is_longer_than_the_others_say_is_malformed(column):
    check_served(RECORDS[0])
    longer = np.append(getattr(RECORDS[0], column), getattr(RECORDS[0], column).dtype.type(1))
    with pytest.raises(BadRecord, match=r"^malformed: .* elements instead of "):
        check_served(changed(column, longer))


@pytest.mark.parametrize("column", ["viewer_lengths", "candidate_lengths"])
def test_lengths_of_twice_as_many_rows_are_malformed(column):
    with pytest.raises(BadRecord, match=f"malformed: {column} has"):
        check_served(changed(column, np.tile(getattr(RECORDS[0], column), 2)))


FINITE = [name for name in COLUMNS if name.endswith(("_weights", "_vectors")) and len(getattr(RECORDS[0], name))]


@pytest.mark.parametrize("column", FINITE)
def test_a_weight_or_vector_that_is_not_finite_is_malformed(column):
    with pytest.raises(BadRecord, match=f"malformed: {column} has elements that are not finite"):
        check_served(changed(column, np.full_like(getattr(RECORDS[0], column), np.inf)))

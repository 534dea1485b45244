"""Which tweets a request is ranked over, and how requests are cut into batches."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import MAX_CANDIDATES
from scoring.candidates import batches, choose
from tests.support.scoring_samples import make_request
from tests.support.unhurried import unhurried

RECENT = np.array([30, 20, 10], np.uint64)


def test_named_candidates_are_taken_once_each_in_their_order():
    (chosen,) = choose([make_request(1, candidates=[5, 2**63 - 1, 5, 1, 5])], RECENT)
    assert chosen.tolist() == [5, 2**63 - 1, 1]
    assert chosen.dtype == np.uint64


def test_a_request_that_names_none_gets_the_newest_and_one_that_names_an_empty_list_gets_none():
    newest, none = choose([make_request(1), make_request(2, candidates=[])], RECENT)
    assert newest.tolist() == [30, 20, 10]
    assert none.tolist() == []


@unhurried
@given(st.lists(st.integers(0, MAX_CANDIDATES), max_size=12), st.integers(1, 3_000))
def test_batches_hold_all_requests_in_order_and_no_more_candidates_than_allowed(counts, most):
    candidates = [np.empty(count, np.uint64) for count in counts]
    runs = batches(candidates, most)
    assert [i for run in runs for i in range(run.start, run.stop)] == list(range(len(counts)))
    for run in runs:
        assert run.stop - run.start == 1 or sum(counts[run]) <= most
    for before, after in itertools.pairwise(runs):
        assert sum(counts[before]) + counts[after.start] > most, "a batch could have held one more"

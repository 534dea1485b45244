"""Bags taken, sliced and put together: each is as it was."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bags import Bags, Keys
from tests.support.column_strategies import bags
from tests.support.unhurried import unhurried


@unhurried
@given(st.integers(0, 6).flatmap(bags), st.data())
def test_taking_bags_gives_each_as_it_was(some, data):
    rows = data.draw(st.lists(st.integers(0, len(some) - 1), max_size=8)) if len(some) else []
    taken = some.take(np.array(rows, np.int64))
    assert [bag.tolist() for bag in map(taken.__getitem__, range(len(taken)))] == [some[i].tolist() for i in rows]
    assert weights_of(taken) == [weights_of(some)[i] for i in rows]


@unhurried
@given(st.lists(st.integers(0, 3).flatmap(bags), min_size=1, max_size=4))
def test_concatenated_bags_are_the_bags_of_all_parts_in_order(parts):
    whole = Bags.concatenate(parts)
    assert [whole[i].tolist() for i in range(len(whole))] == [
        part[i].tolist() for part in parts for i in range(len(part))
    ]
    assert weights_of(whole) == [weights for part in parts for weights in weights_of(part)]
    assert (whole.weights is None) == all(part.weights is None for part in parts)


def weights_of(some: Keys) -> list[bytes]:
    """The bits of each bag's weights, written out where they are all 1."""
    weights = some.weights_or_ones()
    return [weights[begin:end].tobytes() for begin, end in pairwise(some.offsets.tolist())]


def test_lengths_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="lengths add up to 3, but there are 2 ids"):
        Bags.from_lengths(np.array([1, 2]), np.zeros(2, np.uint64))
    with pytest.raises(ValueError, match="there are 2 ids, but 1 weights"):
        Bags.from_lengths(np.array([1, 1]), np.zeros(2, np.uint64), np.zeros(1, np.float32))


@unhurried
@given(st.integers(0, 6).flatmap(bags), st.integers(0, 6), st.integers(0, 6))
def test_a_slice_holds_its_bags_and_copies_none(some, begin, end):
    begin, end = sorted((min(begin, len(some)), min(end, len(some))))
    part = some.slice(begin, end)
    assert [part[i].tolist() for i in range(len(part))] == [some[i].tolist() for i in range(begin, end)]
    assert weights_of(part) == weights_of(some)[begin:end]
    assert (part.weights is None) == (some.weights is None)
    assert len(part.ids) == 0 or np.shares_memory(part.ids, some.ids)


def test_rows_of_a_matrix_are_bags():
    matrix = np.arange(6, dtype=np.int32).reshape(2, 3)
    found = Bags.of_matrix(matrix.T)
    assert [found[i].tolist() for i in range(len(found))] == [[0, 3], [1, 4], [2, 5]]
    assert np.shares_memory(Bags.of_matrix(matrix).ids, matrix)
    assert len(Bags.of_matrix(matrix[:0])) == 0

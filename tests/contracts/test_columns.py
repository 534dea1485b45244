"""Bags of keys and of values: taken and put together, each is as it was."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.columns import Ragged
from tests.support.column_strategies import bags
from tests.support.unhurried import unhurried


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

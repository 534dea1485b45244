"""The k-th smallest is that of the sorted values."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vocab.owner.kth_smallest import kth_smallest

VALUES = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1)), min_size=1, max_size=60)


@given(VALUES, st.data())
@settings(deadline=None)
def test_it_is_that_of_the_sorted_values(values, data):
    k = data.draw(st.integers(0, len(values) - 1))
    assert kth_smallest(np.array(values, np.uint64), k) == sorted(values)[k]

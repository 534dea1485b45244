"""Normalizations that bins are compared with, against all values at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.normalization import Maximum, MeanVariance

blocks = st.lists(
    st.lists(st.one_of(st.floats(-1e3, 1e3), st.just(float("nan"))), min_size=1, max_size=8), min_size=1, max_size=6
)


@given(blocks)
def test_running_figures_are_those_of_all_values_so_far(batches):
    mean_variance, maximum = MeanVariance(1), Maximum(1)
    seen = np.empty(0)
    for batch in batches:
        values = np.array(batch)[:, None]
        seen = np.concatenate([seen, values[:, 0]])
        known = seen[~np.isnan(seen)]
        mean, deviation = (known.mean(), known.std()) if len(known) else (0.0, 0.0)
        largest = np.abs(known).max(initial=0.0)
        expected = (values - mean) / (deviation if deviation > 1e-9 else 1.0)
        found = mean_variance.normalize(values)
        if deviation > 1e-3 or not len(known):
            np.testing.assert_allclose(found, np.nan_to_num(expected), atol=1e-6)
        scaled = maximum.normalize(values)
        np.testing.assert_allclose(scaled, np.nan_to_num(values / (largest or 1.0)), atol=1e-12)
        assert np.abs(scaled).max() <= 1


def test_a_first_value_of_a_million_neither_explodes_nor_divides_by_zero():
    assert Maximum(1).normalize(np.array([[1e6]])).tolist() == [[1.0]]
    assert MeanVariance(1).normalize(np.array([[1e6]])).tolist() == [[0.0]]
    assert Maximum(1).normalize(np.zeros((2, 1))).tolist() == [[0.0], [0.0]]
    assert MeanVariance(1).normalize(np.array([[1.0], [3.0]])).tolist() == [[pytest.approx(-1)], [pytest.approx(1)]]

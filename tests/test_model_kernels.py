"""Every kernel against its reference, on odd shapes; both sides are different code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.kernels import adagrad, bags
from model.kernels.adagrad import reference as adagrad_reference
from model.kernels.bags import reference as bags_reference

ROWS = 50


def _table(random: np.random.Generator, dim: int) -> tuple[np.ndarray, np.ndarray]:
    return random.normal(size=(ROWS, dim)).astype(np.float32), random.normal(size=ROWS).astype(np.float32)


def _bags(random: np.random.Generator, lengths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return offsets, random.integers(0, ROWS, offsets[-1]).astype(np.int32)


lengths = st.lists(st.integers(0, 9), max_size=12)


@given(lengths, st.sampled_from([1, 7, 16]), st.integers(0, 100))
@settings(deadline=None)
def test_pooling_agrees_with_its_reference(lengths: list[int], dim: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    offsets, slots = _bags(random, lengths)
    table, linear = _table(random, dim)
    pooled, first_order = bags.pool(offsets, slots, table, linear)
    expected, expected_first_order = bags_reference.pool(offsets, slots, table, linear)
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(first_order, expected_first_order, rtol=1e-5, atol=1e-5)


@given(lengths, lengths, st.sampled_from([1, 7, 16]), st.integers(0, 100))
@settings(deadline=None)
def test_gradients_of_several_splits_add_up_as_in_the_reference(
    first: list[int], second: list[int], dim: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    place = np.full(ROWS, -1, np.int32)
    touched, buffer = np.empty(ROWS, np.int32), np.empty((ROWS, dim), np.float32)
    buffer_linear = np.empty(ROWS, np.float32)
    count, expected, expected_linear = 0, np.zeros((ROWS, dim)), np.zeros(ROWS)
    for lengths in (first, second):
        offsets, slots = _bags(random, lengths)
        gradient = random.normal(size=(len(lengths), dim)).astype(np.float32)
        first_order = random.normal(size=len(lengths)).astype(np.float32)
        count = bags.scatter(
            offsets, slots, gradient, first_order, place, touched, count, buffer, buffer_linear
        )  # fmt: skip
        table, linear = bags_reference.scatter(offsets, slots, gradient, first_order, ROWS)
        expected, expected_linear = expected + table, expected_linear + linear
    rows = touched[:count]
    assert len(set(rows.tolist())) == count
    assert (place[rows] == np.arange(count)).all()
    untouched = np.setdiff1d(np.arange(ROWS), rows)
    assert not expected[untouched].any()
    np.testing.assert_allclose(buffer[:count], expected[rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(buffer_linear[:count], expected_linear[rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1.0, 1e6])
def test_adagrad_agrees_with_its_reference_and_leaves_other_rows_alone(scale: float) -> None:
    random = np.random.default_rng(1)
    table, linear = _table(random, 16)
    moment, linear_moment = random.random(ROWS, np.float32), random.random(ROWS, np.float32)
    rows = random.permutation(ROWS)[:20].astype(np.int32)
    gradient = (scale * random.normal(size=(20, 16))).astype(np.float32)
    linear_gradient = (scale * random.normal(size=20)).astype(np.float32)
    expected, expected_moment = adagrad_reference.update(rows, gradient, table, moment, 0.05)
    expected_linear, _ = adagrad_reference.update(
        rows, linear_gradient[:, None], linear[:, None], linear_moment, 0.05
    )
    place = np.full(ROWS, -1, np.int32)
    place[rows] = np.arange(20)
    before = table.copy()
    adagrad.update(
        rows, 20, gradient, linear_gradient, table, linear, moment, linear_moment, place, np.float32(0.05)
    )  # fmt: skip
    np.testing.assert_allclose(table, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moment, expected_moment, rtol=1e-5)
    np.testing.assert_allclose(linear, expected_linear[:, 0], rtol=1e-5, atol=1e-6)
    others = np.setdiff1d(np.arange(ROWS), rows)
    assert (table[others] == before[others]).all()
    assert (place == -1).all()

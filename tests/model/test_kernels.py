"""Every kernel against its reference, on odd shapes; both sides are different code."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bags import Bags, Rows
from model.kernels import adagrad, bags
from model.kernels.adagrad import reference as adagrad_reference
from model.kernels.bags import reference as bags_reference

ROWS = 50


def _table(random: np.random.Generator, dim: int) -> tuple[np.ndarray, np.ndarray]:
    return random.normal(size=(ROWS, dim)).astype(np.float32), random.normal(size=ROWS).astype(np.float32)


def _bags(random: np.random.Generator, lengths: list[int], weighted: bool) -> Rows:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = random.integers(0, ROWS, offsets[-1]).astype(np.int32)
    return Bags(offsets, rows, random.normal(size=len(rows)).astype(np.float32) if weighted else None)


def _gradients(random: np.random.Generator, n: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    return random.normal(size=(n, dim)).astype(np.float32), random.normal(size=n).astype(np.float32)


class Scattered:
    """The buffers that gradients are added up in."""

    def __init__(self, dim: int) -> None:
        self.place = np.full(ROWS, -1, np.int32)
        self.touched, self.count = np.empty(ROWS, np.int32), 0
        self.buffer, self.buffer_linear = np.empty((ROWS, dim), np.float32), np.empty(ROWS, np.float32)

    def add(self, of: Rows, gradient: np.ndarray, first_order: np.ndarray) -> None:
        self.count = bags.scatter(
            of, gradient, first_order, self.place, self.touched, self.count, self.buffer, self.buffer_linear
        )

    def bits(self) -> tuple[bytes, ...]:
        return tuple(array[: self.count].tobytes() for array in (self.touched, self.buffer, self.buffer_linear))


lengths = st.lists(st.integers(0, 9), max_size=12)
dims = st.sampled_from([1, 7, 16])
seeds = st.integers(0, 100)


@given(lengths, st.booleans(), dims, seeds)
@settings(deadline=None)
def test_pooling_agrees_with_its_reference(lengths: list[int], weighted: bool, dim: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    some, (table, linear) = _bags(random, lengths, weighted), _table(random, dim)
    pooled, first_order = bags.pool(some, table, linear)
    expected, expected_first_order = bags_reference.pool(some, table, linear)
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(first_order, expected_first_order, rtol=1e-5, atol=1e-5)


@given(lengths, lengths, st.booleans(), st.booleans(), dims, seeds)
@settings(deadline=None)
def test_gradients_of_several_fields_add_up_as_in_the_reference(
    first: list[int], second: list[int], first_weighted: bool, second_weighted: bool, dim: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    found, expected, expected_linear = Scattered(dim), np.zeros((ROWS, dim)), np.zeros(ROWS)
    for lengths, weighted in ((first, first_weighted), (second, second_weighted)):
        some, gradients = _bags(random, lengths, weighted), _gradients(random, len(lengths), dim)
        found.add(some, *gradients)
        table, linear = bags_reference.scatter(some, *gradients, ROWS)
        expected, expected_linear = expected + table, expected_linear + linear
    count = found.count
    rows = found.touched[:count]
    assert len(set(rows.tolist())) == count
    assert (found.place[rows] == np.arange(count)).all()
    untouched = np.setdiff1d(np.arange(ROWS), rows)
    assert not expected[untouched].any()
    np.testing.assert_allclose(found.buffer[:count], expected[rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.buffer_linear[:count], expected_linear[rows], rtol=1e-4, atol=1e-5)


@given(lengths, st.booleans(), dims, seeds)
@settings(deadline=None)
def test_the_gradient_is_that_of_what_was_pooled(lengths: list[int], weighted: bool, dim: int, seed: int) -> None:
    """Pooling is linear in the table, so along any other table its gradient is what that one pools to."""
    random = np.random.default_rng(seed)
    some, (table, linear) = _bags(random, lengths, weighted), _table(random, dim)
    gradient, first_order = _gradients(random, len(lengths), dim)
    along, along_linear = bags_reference.pool(some, table, linear)
    of_table, of_linear = bags_reference.scatter(some, gradient, first_order, ROWS)
    np.testing.assert_allclose((of_table * table).sum(), (gradient * along).sum(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(of_linear @ linear, first_order @ along_linear, rtol=1e-9, atol=1e-9)


def test_the_gradient_is_autograds() -> None:
    random = np.random.default_rng(2)
    some, dim = _bags(random, [3, 0, 1, 9, 4], weighted=True), 7
    gradient, first_order = _gradients(random, 5, dim)
    table, linear = (torch.from_numpy(array).double().requires_grad_() for array in _table(random, dim))
    bag = torch.from_numpy(np.repeat(np.arange(5), np.diff(some.offsets)))
    shares = torch.from_numpy(some.weights) / torch.bincount(bag, minlength=5).double()[bag].sqrt()
    rows = torch.from_numpy(some.ids.astype(np.int64))
    pooled = torch.zeros(5, dim).double().index_add(0, bag, shares[:, None] * table[rows])
    pooled_linear = torch.zeros(5).double().index_add(0, bag, shares * linear[rows])
    torch.autograd.backward([pooled, pooled_linear], [torch.from_numpy(gradient), torch.from_numpy(first_order)])
    of_table, of_linear = bags_reference.scatter(some, gradient, first_order, ROWS)
    np.testing.assert_allclose(of_table, table.grad, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(of_linear, linear.grad, rtol=1e-12, atol=1e-12)


@given(lengths, dims, seeds)
@settings(deadline=None)
def test_weights_of_one_give_the_bits_of_no_weights(lengths: list[int], dim: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    plain, (table, linear) = _bags(random, lengths, weighted=False), _table(random, dim)
    ones = replace(plain, weights=plain.weights_or_ones())
    gradients = _gradients(random, len(lengths), dim)
    pooled, scattered = [], []
    for some in (plain, ones):
        pooled.append([array.tobytes() for array in bags.pool(some, table, linear)])
        found = Scattered(dim)
        found.add(some, *gradients)
        scattered.append(found.bits())
    assert pooled[0] == pooled[1]
    assert scattered[0] == scattered[1]


@given(lengths, st.booleans(), st.integers(0, 12), seeds)
@settings(deadline=None)
def test_cut_anywhere_bags_give_the_same_bits(lengths: list[int], weighted: bool, at: int, seed: int) -> None:
    random, dim, n, at = np.random.default_rng(seed), 7, len(lengths), min(at, len(lengths))
    whole, (table, linear) = _bags(random, lengths, weighted), _table(random, dim)
    gradient, first_order = _gradients(random, n, dim)
    together, apart = Scattered(dim), Scattered(dim)
    together.add(whole, gradient, first_order)
    pooled = []
    for begin, end in ((0, at), (at, n)):
        part = whole.slice(begin, end)
        pooled.append(bags.pool(part, table, linear))
        apart.add(part, gradient[begin:end], first_order[begin:end])
    assert together.bits() == apart.bits()
    for parts, of_whole in zip(zip(*pooled, strict=True), bags.pool(whole, table, linear), strict=True):
        assert np.concatenate(parts).tobytes() == of_whole.tobytes()


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

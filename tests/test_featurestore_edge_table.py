"""Discretizing: every float32 falls into exactly one bin, the one that the reference says, beside any others."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.edge_table import (
    BIN_STRIDE,
    INFINITY,
    MAX_BINS,
    MINUS_INFINITY,
    MISSING,
    ORDINARY,
    ZERO,
    EdgeTable,
    rows_into,
)
from featurestore.encoding_reference import bin_of

LARGEST, SMALLEST = np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
INF = np.float32(np.inf)
ODD = np.array([np.nan, -np.nan, INF, -INF, 0.0, -0.0, LARGEST, -LARGEST, SMALLEST, -SMALLEST, 1.0], np.float32)
floats = st.floats(width=32)
edge_lists = st.sets(
    st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, 2.0, -1.0]),
    max_size=MAX_BINS - 1,
).map(lambda values: np.unique(np.array(list(values), np.float32) + np.float32(0.0)))
matrices = st.tuples(st.integers(0, 5), st.lists(edge_lists, min_size=1, max_size=40), st.integers(0, 2**32))


def values_for(rows, edges, seed):
    """float32[rows, len(edges)]: a column's edges, their neighbours, and what is no ordinary number."""
    rng = np.random.default_rng(seed)
    values = np.empty((rows, len(edges)), np.float32)
    for column, of_feature in enumerate(edges):
        with np.errstate(over="ignore", under="ignore"):
            near = [of_feature, *(np.nextafter(of_feature, end) for end in (-INF, INF))]
        values[:, column] = rng.choice(np.concatenate([*near, ODD]), rows)
    return values


def membership(values, edges):
    """bool[bins, n]: for each bin, by its definition, the values that belong to it."""
    finite = np.isfinite(values) & (values != 0)
    borders = pairwise([-INF, *edges, INF])
    ordinary = [finite & (low <= values) & (values < high) for low, high in borders]
    special = {MISSING: np.nan, MINUS_INFINITY: -np.inf, ZERO: 0.0, INFINITY: np.inf}
    equal = [np.isnan(values) if bin == MISSING else values == special[bin] for bin in range(ORDINARY)]
    return np.array(equal + ordinary)


@settings(deadline=None)
@given(st.lists(floats, min_size=1, max_size=50), edge_lists)
def test_every_float32_is_of_one_bin_and_discretized_into_that_one(values, edges):
    column = np.array(values, np.float32)
    belongs = membership(column, edges)
    assert (belongs.sum(axis=0) == 1).all()
    assert (EdgeTable([edges]).discretize(column[:, None])[:, 0] == belongs.argmax(axis=0)).all()


@settings(deadline=None)
@given(matrices, st.integers(0, 30))
def test_the_table_agrees_with_the_reference_for_any_features_and_rows(matrix, first):
    rows, edges, seed = matrix
    values = values_for(rows, edges, seed)
    found = EdgeTable(edges, first).discretize(values)
    assert found.dtype == np.int32
    assert found.shape == values.shape
    for (i, j), value in np.ndenumerate(values):
        assert found[i, j] == (first + j) * BIN_STRIDE + bin_of(float(value), edges[j].tolist())


@settings(deadline=None)
@given(matrices)
def test_a_value_is_discretized_alike_beside_any_others(matrix):
    rows, edges, seed = matrix
    values = values_for(rows, edges, seed)
    whole = EdgeTable(edges).discretize(values)
    order = np.random.default_rng(seed).permutation(rows)
    assert (EdgeTable(edges).discretize(values[order]) == whole[order]).all()
    for column in range(len(edges)):
        alone = EdgeTable([edges[column]], column).discretize(values[:, [column]])
        assert (alone[:, 0] == whole[:, column]).all()


def test_a_value_on_an_edge_belongs_to_the_bin_above():
    values = np.array([[0.5], [1.0], [1.5], [2.0], [3.0], [-1.0]], np.float32)
    found = EdgeTable([np.array([1.0, 2.0], np.float32)]).discretize(values)
    assert (found[:, 0] - ORDINARY).tolist() == [0, 1, 1, 2, 2, 0]


def test_matrices_of_any_layout_are_read():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(7, 500)).astype(np.float32)
    table = EdgeTable([np.sort(rng.normal(size=15).astype(np.float32)) for _ in range(500)])
    expected = table.discretize(values)
    frozen = values.copy()
    frozen.flags.writeable = False
    for other in (frozen, np.asfortranarray(values), np.repeat(values, 2, axis=0)[::2]):
        assert (table.discretize(other) == expected).all()
    assert len(rows_into.signatures) == 1, "the kernel is compiled for one kind of argument"


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="3 columns of values, but edges of 2 features"):
        EdgeTable([np.empty(0, np.float32)] * 2).discretize(np.zeros((1, 3), np.float32))


EDGES = np.array(
    [-LARGEST, -1e30, -2.0, -1.0, -1e-40, -SMALLEST, SMALLEST, 1e-38, 0.1, 1.0, 1.5, 3.0, 1e9, LARGEST], np.float32
)  # fmt: skip
COLUMNS = 64


def check_all(bits):
    """Each of the float32 of these bit patterns, in columns of a wide matrix, against a search."""
    values = bits.astype(np.uint32).view(np.float32)
    expected = ORDINARY + np.searchsorted(EDGES, values, side="right")
    expected[values == 0] = ZERO
    expected[np.isinf(values)] = np.where(values[np.isinf(values)] > 0, INFINITY, MINUS_INFINITY)
    expected[np.isnan(values)] = MISSING
    found = EdgeTable([EDGES] * COLUMNS).discretize(values.reshape(-1, COLUMNS))
    assert (found % BIN_STRIDE == expected.reshape(-1, COLUMNS)).all()
    assert (found // BIN_STRIDE == np.arange(COLUMNS)).all()


def test_float32_of_every_sign_exponent_and_leading_fraction_find_their_bins():
    leading = np.arange(1 << 16, dtype=np.uint64) << np.uint64(16)
    for trailing in (0, 1, 0x7FFF, 0x8000, 0xFFFF):
        check_all(leading | np.uint64(trailing))


@pytest.mark.soak
def test_every_one_of_the_float32_finds_its_bin():
    chunk = 1 << 22
    for begin in range(0, 1 << 32, chunk):
        check_all(np.arange(begin, begin + chunk, dtype=np.uint64))

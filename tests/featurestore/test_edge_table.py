"""Discretizing: every float32 falls into exactly one bin, the one that the reference says, beside any others."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.columns import MISSING, MISSING_BITS
from featurestore.bins.edge_table import (
    BIN_STRIDE,
    INFINITY_BIN,
    MAX_BINS,
    MINUS_INFINITY_BIN,
    MISSING_BIN,
    NAN_BIN,
    ORDINARY,
    ZERO_BIN,
    EdgeTable,
    rows_into,
)
from featurestore.encoding.reference import bin_of

LARGEST, SMALLEST = np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
INF = np.float32(np.inf)
NANS = np.array(
    [0x7FC00000, 0xFFC00000, 0x7FC007A1, 0x7FC007A3, 0xFFC007A2, 0x7F8007A2, 0x7F800001, 0x7FFFFFFF], np.uint32
).view(np.float32)  # of processors, the neighbours of MISSING, its negative, signalling ones
ODD = np.array(
    [MISSING, *NANS, INF, -INF, 0.0, -0.0, LARGEST, -LARGEST, SMALLEST, -SMALLEST, 1.0], np.float32
)  # fmt: skip
patterns = st.integers(0, 2**32 - 1) | st.sampled_from(ODD.view(np.uint32).tolist())
columns = st.lists(patterns, min_size=1, max_size=50).map(lambda bits: np.array(bits, np.uint32).view(np.float32))
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
    missing = values.view(np.uint32) == 0x7FC007A2
    special = {
        MISSING_BIN: missing, NAN_BIN: np.isnan(values) & ~missing, MINUS_INFINITY_BIN: values == -np.inf,
        ZERO_BIN: values == 0, INFINITY_BIN: values == np.inf,
    }  # fmt: skip
    return np.array([special[bin] for bin in range(ORDINARY)] + ordinary)


@settings(deadline=None)
@given(columns, edge_lists)
def test_every_float32_is_of_one_bin_and_discretized_into_that_one(column, edges):
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
        assert found[i, j] == (first + j) * BIN_STRIDE + bin_of(value, edges[j].tolist())


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


def test_missing_and_nan_have_bins_of_their_own_with_edges_and_without():
    values = np.array([MISSING, *NANS], np.float32)
    assert values.view(np.uint32).tolist() == [MISSING_BITS, *NANS.view(np.uint32)]
    for edges in ([], [-1.0, 1.0], EDGES):
        found = EdgeTable([np.array(edges, np.float32)]).discretize(values[:, None])[:, 0]
        assert found.tolist() == [MISSING_BIN] + [NAN_BIN] * len(NANS)


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
    expected[values == 0] = ZERO_BIN
    expected[np.isinf(values)] = np.where(values[np.isinf(values)] > 0, INFINITY_BIN, MINUS_INFINITY_BIN)
    expected[np.isnan(values)] = NAN_BIN
    expected[bits == MISSING_BITS] = MISSING_BIN
    found = EdgeTable([EDGES] * COLUMNS).discretize(values.reshape(-1, COLUMNS))
    assert (found % BIN_STRIDE == expected.reshape(-1, COLUMNS)).all()
    assert (found // BIN_STRIDE == np.arange(COLUMNS)).all()


def test_float32_of_every_sign_exponent_and_leading_fraction_find_their_bins():
    leading = np.arange(1 << 16, dtype=np.uint64) << np.uint64(16)
    for trailing in (0, 1, 0x7FFF, 0x8000, 0xFFFF):
        check_all(leading | np.uint64(trailing))


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_every_one_of_the_float32_finds_its_bin():
    chunk = 1 << 22
    for begin in range(0, 1 << 32, chunk):
        check_all(np.arange(begin, begin + chunk, dtype=np.uint64))

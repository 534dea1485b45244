"""When edges change, ranks keep their rows; where ranks say nothing, values do; nothing is lost on the way."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ChainBroken
from contracts.records import BinsVersion
from featurestore.bins.edge_table import BIN_STRIDE, ORDINARY
from featurestore.bins.edges import Sketch, cells, equal_mass_edges, holds_ranks
from featurestore.bins.replica import FrozenBins
from featurestore.bins.sketch import bucket_of
from featurestore.features import CONTINUOUS
from tests.support.trainer_world import World, small_settings, trained
from trainer.bin_rows import mass_overlaps, rank_overlaps, row_mixtures, same_edges

FEATURE = 3
NAME = CONTINUOUS[FEATURE].name


def _edge_change(edges: list[float], of: list[int] | None = None, version: int = 2) -> BinsVersion:
    mixed = {} if of is None else {NAME: of}
    return BinsVersion(base_version=version - 1, version=version, sequence=version, edges={NAME: edges}, cells=mixed)


def _f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def _sketch(values: np.ndarray) -> Sketch:
    buckets, counts = np.unique(bucket_of(values.astype(np.float32)).astype(np.int64), return_counts=True)
    return Sketch.ordinary(buckets, counts.astype(np.int64))


def test_ranks_keep_their_rows_where_edges_move() -> None:
    assert list(row_mixtures({FEATURE: _f32(1, 2)}, _edge_change([10, 20]))) == []


def test_the_first_edges_copy_the_one_row_there_was() -> None:
    for of in (None, [5, 900, 5, 5]):  # by rank, or by mass where values are tied
        ((rows, shares),) = row_mixtures({}, _edge_change([1, 2, 3], of))
        assert rows.tolist() == [FEATURE * BIN_STRIDE + ORDINARY + k for k in range(4)]
        np.testing.assert_array_equal(shares[:, 0], 1)
        np.testing.assert_array_equal(shares[:, 1:], 0)


@pytest.mark.parametrize(("before", "after"), [(1, 16), (4, 8), (16, 15), (7, 3), (59, 1), (5, 5)])
def test_mixtures_by_rank_keep_the_mean_over_the_mass(before: int, after: int) -> None:
    shares = rank_overlaps(before, after)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares.sum(axis=0) / after, np.full(before, 1 / before))


def test_halves_of_a_bin_are_that_bin() -> None:
    np.testing.assert_allclose(rank_overlaps(2, 4), [[1, 0], [1, 0], [0, 1], [0, 1]], atol=1e-12)


EDGES = st.lists(st.integers(1, 40), max_size=12, unique=True).map(lambda edges: _f32(*sorted(edges)))


@given(EDGES, EDGES, st.lists(st.integers(1, 41), min_size=1, max_size=200))
def test_mixtures_by_mass_keep_the_mean_over_the_mass(
    before: np.ndarray, after: np.ndarray, values: list[int]
) -> None:
    sketch = _sketch(np.array(values))
    shares = mass_overlaps(before, after, cells(before, after, sketch))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    rows = np.random.default_rng(len(values)).normal(size=len(before) + 1)
    mean_before, mean_after = sketch.masses(before) @ rows, sketch.masses(after) @ (shares @ rows)
    assert mean_after == pytest.approx(mean_before, abs=1e-9)


@given(EDGES, EDGES, st.lists(st.integers(1, 41), min_size=1, max_size=200))
def test_mixtures_by_mass_are_what_counting_value_by_value_gives(
    before: np.ndarray, after: np.ndarray, values: list[int]
) -> None:
    shares = mass_overlaps(before, after, cells(before, after, _sketch(np.array(values))))
    of_bin: dict[int, list[int]] = {}
    for value in values:
        of_bin.setdefault(sum(value >= edge for edge in after), []).append(sum(value >= edge for edge in before))
    for new, old in of_bin.items():
        expected = np.bincount(old, minlength=len(before) + 1) / len(old)
        np.testing.assert_allclose(shares[new], expected, atol=1e-12)


def test_a_mass_point_that_appears_keeps_the_row_of_its_value() -> None:
    random = np.random.default_rng(1)
    spread = np.exp(random.normal(size=20_000))
    tied = np.concatenate([spread, np.full(15_000, 2.0)])
    before, after = equal_mass_edges(_sketch(spread), 16), equal_mass_edges(_sketch(tied), 16)
    assert holds_ranks(before, _sketch(spread))
    assert not holds_ranks(after, _sketch(tied))
    shares = mass_overlaps(before, after, cells(before, after, _sketch(tied)))
    old, new = (int(np.searchsorted(edges, 2.0, side="right")) for edges in (before, after))
    assert shares[new, old] > 0.99
    by_rank = rank_overlaps(len(before) + 1, len(after) + 1)
    assert by_rank[new, old] < 0.6  # what the plain rule would have made of it


def test_cells_that_do_not_fit_the_edges_break_the_chain() -> None:
    for of in ([1, 2, 3], [1, 2, 3, -1]):
        with pytest.raises(ChainBroken, match="cells"):
            list(row_mixtures({FEATURE: _f32(1, 2)}, _edge_change([2, 3], of)))


def test_a_feature_without_edges_is_one_bin_named_or_not() -> None:
    assert same_edges({1: _f32()}, {})
    assert same_edges({1: _f32(1)}, {1: _f32(1), 2: _f32()})
    assert not same_edges({1: _f32(1)}, {1: _f32(2)})


def test_rows_of_other_features_and_of_odd_values_keep_their_bits() -> None:
    learner = trained(World(), small_settings(""), 100)
    arrays = {**learner.weights(), **learner.optimizer()}
    names = ("bin_embedding", "bin_linear", "bin_embedding_moment", "bin_linear_moment")
    before = {name: arrays[name].copy() for name in names}
    ((number, edges),) = learner.bins.edges.items()
    version, fewer = learner.bins.version + 1, edges[::2]
    change = BinsVersion(
        base_version=learner.bins.version,
        version=version,
        sequence=9,
        edges={CONTINUOUS[number].name: fewer.tolist()},
        cells={},
    )
    learner.move_to(learner.vocabulary, FrozenBins(version, {number: fewer}), [change])
    count = len(edges) + 1
    changed = number * BIN_STRIDE + ORDINARY + np.arange(count)
    for name in names:
        same = (before[name] == arrays[name]).reshape(len(before[name]), -1).all(axis=1)
        assert same[np.setdiff1d(np.arange(len(same)), changed)].all()
    assert not (before["bin_linear"][changed] == arrays["bin_linear"][changed]).all()
    mean_before = before["bin_linear"][changed].mean()
    assert arrays["bin_linear"][changed[: len(fewer) + 1]].mean() == pytest.approx(mean_before, abs=1e-6)


def test_many_rolls_at_once_are_as_one_after_another() -> None:
    one, other = (trained(World(), small_settings(""), 100) for _ in range(2))
    ((number, edges),) = one.bins.edges.items()
    start = one.bins.version
    edge_changes = [
        BinsVersion(
            base_version=start + i, version=start + i + 1, sequence=9, edges={CONTINUOUS[number].name: of},
            cells={CONTINUOUS[number].name: list(range(1, 2 + len(set(of) | set(before))))},
        )
        for i, (before, of) in enumerate([(edges.tolist(), [5.0, 500.0]), ([5.0, 500.0], [1.0, 7.0, 900.0])])
    ]  # fmt: skip
    name = CONTINUOUS[number].name
    views = [FrozenBins(change.version, {number: _f32(*change.edges[name])}) for change in edge_changes]
    one.move_to(one.vocabulary, views[1], edge_changes)
    other.move_to(other.vocabulary, views[0], edge_changes)
    other.move_to(other.vocabulary, views[1], edge_changes)
    for name, array in one.weights().items():
        np.testing.assert_array_equal(array, other.weights()[name])


def test_rolls_that_lead_elsewhere_are_refused() -> None:
    learner = trained(World(), small_settings(""), 30)
    with pytest.raises(ChainBroken, match="do not lead"):
        learner.move_to(learner.vocabulary, FrozenBins(learner.bins.version + 1, {FEATURE: _f32(1)}), [])

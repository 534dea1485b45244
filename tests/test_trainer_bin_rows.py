"""When edges roll, ranks keep their rows; when the number of bins changes, shares of rank do."""

import numpy as np
import pytest

from featurestore.bins import BinsView
from featurestore.edge_table import BIN_STRIDE, ORDINARY
from tests.trainer_world import World, small_settings, trained
from trainer.bin_rows import overlaps, rank_mixtures


def _view(version: int, edges: dict[int, list[float]]) -> BinsView:
    return BinsView(version, {number: np.array(of, np.float32) for number, of in edges.items()})


def test_edges_that_move_leave_rows_alone() -> None:
    assert list(rank_mixtures(_view(1, {3: [1, 2]}), _view(2, {3: [10, 20]}))) == []


def test_the_first_edges_copy_the_one_row_there_was() -> None:
    ((rows, shares),) = rank_mixtures(BinsView.empty(), _view(1, {3: [1, 2, 3]}))
    assert rows.tolist() == [3 * BIN_STRIDE + ORDINARY + k for k in range(4)]
    np.testing.assert_array_equal(shares[:, 0], 1)
    np.testing.assert_array_equal(shares[:, 1:], 0)


@pytest.mark.parametrize(("before", "after"), [(1, 16), (4, 8), (16, 15), (7, 3), (60, 1)])
def test_mixtures_keep_the_mean_over_the_mass(before: int, after: int) -> None:
    shares = overlaps(before, after)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares.sum(axis=0) / after, np.full(before, 1 / before))


def test_halves_of_a_bin_are_that_bin() -> None:
    np.testing.assert_allclose(overlaps(2, 4), [[1, 0], [1, 0], [0, 1], [0, 1]], atol=1e-12)


def test_rows_of_other_features_and_of_odd_values_keep_their_bits() -> None:
    learner = trained(World(), small_settings(""), 100)
    arrays = {**learner.weights(), **learner.optimizer()}
    names = ("bin_embedding", "bin_linear", "bin_embedding_moment", "bin_linear_moment")
    before = {name: arrays[name].copy() for name in names}
    edges = {number: of.tolist() for number, of in learner.bins.edges.items()}
    (number,) = edges
    learner.move_to(learner.vocabulary, _view(learner.bins.version + 1, {number: edges[number][::2]}))
    count = len(edges[number]) + 1
    changed = number * BIN_STRIDE + ORDINARY + np.arange(count)
    for name in names:
        same = (before[name] == arrays[name]).reshape(len(before[name]), -1).all(axis=1)
        assert same[np.setdiff1d(np.arange(len(same)), changed)].all()
    assert not (before["bin_linear"][changed] == arrays["bin_linear"][changed]).all()
    after = len(edges[number][::2]) + 1
    mean_before = before["bin_linear"][changed].mean()
    assert arrays["bin_linear"][changed[:after]].mean() == pytest.approx(mean_before, abs=1e-6)

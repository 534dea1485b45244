"""Figures against scikit-learn's, in float64; weights, ties and edges."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn import metrics

from contracts.examples import MOST_WEIGHT
from model.evaluation import calibration_error, evaluate, log_loss, pr_auc, rce


def _draw(seed: int, n: int = 5_000, levels: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    p = random.beta(1, 5, n)
    if levels:
        p = np.round(p * levels) / levels
    y = random.random(n) < p
    return p.astype(np.float32), y.astype(np.float32), random.choice([0.0, 0.5, 1.0, 20.0], n).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_log_loss_is_sklearns(seed: int) -> None:
    p, y, w = _draw(seed)
    expected = metrics.log_loss(y, p.astype(np.float64).clip(1e-7, 1 - 1e-7), sample_weight=w)
    assert log_loss(p, y, w) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("levels", [None, 7])
@pytest.mark.parametrize("seed", range(3))
def test_pr_auc_is_sklearns_average_precision_ties_included(seed: int, levels: int | None) -> None:
    p, y, w = _draw(seed, levels=levels)
    assert pr_auc(p, y, w) == pytest.approx(metrics.average_precision_score(y, p, sample_weight=w), rel=1e-9)


def test_rce_is_nothing_for_the_base_rate_and_most_for_certainty() -> None:
    _, y, w = _draw(0)
    base = np.full(len(y), np.average(y, weights=w))
    assert rce(base, y, w) == pytest.approx(0, abs=1e-9)
    assert rce(y, y, w) == pytest.approx(100, abs=1e-3)
    assert rce(1 - base, y, w) < 0


def test_calibration_error_is_small_for_the_truth_and_the_gap_for_a_shift() -> None:
    p, y, _ = _draw(3, n=200_000)
    w = np.ones(len(y), np.float32)
    assert calibration_error(p, y, w) < 0.005
    assert calibration_error(np.minimum(p + 0.2, 1), y, w) == pytest.approx(0.2, abs=0.01)


def test_calibration_error_by_hand_with_weights() -> None:
    p, y, w = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 1, 1, 1]), np.array([1.0, 1.0, 1.0, 1.0])
    assert calibration_error(p, y, w, bins=2) == pytest.approx((abs(0.3 - 1) + abs(1.7 - 2)) / 4)


def test_figures_are_absent_where_they_are_not_defined() -> None:
    p, w = np.full(10, 0.5), np.ones(10)
    assert evaluate(p, np.zeros(10), w) is None
    assert evaluate(p, np.ones(10), w) is None
    assert evaluate(p[:0], p[:0], w[:0]) is None
    with pytest.raises(ValueError, match="both positive and negative"):
        rce(p, np.zeros(10), w)
    with pytest.raises(ValueError, match="positive label"):
        pr_auc(p, np.zeros(10), w)


def test_evaluate_gives_all_figures() -> None:
    p, y, w = _draw(4)
    figures = evaluate(p, y, w)
    assert figures is not None
    assert figures.examples == len(y)
    assert figures.log_loss == log_loss(p, y, w)
    assert 0 < figures.base_rate < 1


def test_a_stretch_in_which_nothing_has_weight_has_no_figures() -> None:
    p, y, w = _draw(1)
    assert evaluate(p, y, np.zeros_like(w)) is None
    assert evaluate(p, y, np.where(y == 1, w, 0)) is None
    assert evaluate(p[:0], y[:0], w[:0]) is None


_NUMBERS = st.floats(0, 1, width=32)


@given(
    st.lists(
        st.tuples(_NUMBERS, st.sampled_from([0.0, 1.0]), st.floats(0, MOST_WEIGHT, width=32)), min_size=1, max_size=40
    )
)
@hypothesis_settings(deadline=None)
def test_figures_are_numbers_whatever_was_predicted_and_weighed(rows: list[tuple[float, float, float]]) -> None:
    """A figure that is not would leave as `null`, and every reader of `ModelPublished` would refuse it."""
    p, y, w = (np.array(column, np.float32) for column in zip(*rows, strict=True))
    figures = evaluate(p, y, w)
    if figures is not None:
        assert all(np.isfinite(value) for value in msgspec.structs.astuple(figures)[:-1])

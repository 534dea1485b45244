"""Calibration gives rates, keeps the order, and survives its snapshot."""

import numpy as np
import pytest

from contracts.errors import SnapshotInvalid
from model.calibration import MOST_LOGIT, Calibrator, fit, sigmoid
from model.evaluation import calibration_error


def _skewed(seed: int, n: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 2, n).astype(np.float32)
    labels = random.random(n) < sigmoid(0.5 * logits - 1)
    return logits, labels.astype(np.float32), np.ones(n, np.float32)


def test_calibrated_rates_hold_on_fresh_examples() -> None:
    calibrator = fit(*_skewed(0, 50_000))
    logits, labels, weights = _skewed(1, 200_000)
    assert calibration_error(sigmoid(logits), labels, weights) > 0.05
    assert calibration_error(calibrator.apply(logits), labels, weights) < 0.01


def test_weights_undo_the_sampling_of_negatives() -> None:
    logits, labels, weights = _skewed(2, 100_000)
    kept = (labels == 1) | (np.random.default_rng(3).random(len(labels)) < 0.1)
    weights = np.where(labels == 1, 1, 10).astype(np.float32)
    calibrator = fit(logits[kept], labels[kept], weights[kept])
    assert calibrator.apply(logits).mean() == pytest.approx(labels.mean(), rel=0.03)


def test_order_is_kept_and_no_probability_is_certain() -> None:
    calibrator = fit(*_skewed(4))
    grid = np.linspace(-30, 30, 10_001)
    calibrated = calibrator.apply(grid)
    assert (np.diff(calibrated) > 0).all()
    assert calibrated[0] > 0
    assert calibrated[-1] < 1


@pytest.mark.parametrize("labels", [np.zeros(5_000), np.ones(5_000), np.array([0.0, 1.0])])
def test_too_little_or_one_kind_of_label_changes_nothing(labels: np.ndarray) -> None:
    logits = np.linspace(-3, 3, len(labels))
    calibrator = fit(logits, labels, np.ones(len(labels)))
    np.testing.assert_array_equal(calibrator.apply(logits), sigmoid(logits))


def test_fit_is_a_pure_function() -> None:
    observed = _skewed(5)
    first, second = fit(*observed), fit(*(array.copy() for array in observed))
    assert first.x.tobytes() == second.x.tobytes()
    assert first.y.tobytes() == second.y.tobytes()


def test_arrays_round_trip_and_falling_knots_are_refused() -> None:
    calibrator = fit(*_skewed(6))
    again = Calibrator.from_arrays(calibrator.to_arrays())
    assert again.x.tobytes() == calibrator.x.tobytes()
    with pytest.raises(SnapshotInvalid, match="knots"):
        Calibrator.from_arrays({"x": np.array([1.0, 0.0]), "y": np.array([0.1, 0.2])})
    with pytest.raises(SnapshotInvalid, match="knots"):
        Calibrator.from_arrays({"x": np.array([0.0, 1.0]), "y": np.array([0.1, 1.0])})


@pytest.mark.parametrize("scale", [1, 745, 1e30])
def test_logits_of_any_size_have_a_calibrator_that_is_a_number_everywhere(scale: float) -> None:
    logits, labels, weights = _skewed(7)
    calibrator = fit(logits * np.float32(scale), labels, weights)
    assert (np.abs(calibrator.x) <= MOST_LOGIT).all()
    Calibrator.from_arrays(calibrator.to_arrays())
    grid = np.concatenate([np.linspace(-2_000, 2_000, 4_001), [-3e38, 3e38]])
    for each in (calibrator, Calibrator(np.array([-80.0, 80.0]), np.array([0.1, 0.9])), Calibrator.identity()):
        found = each.apply(np.sort(grid))
        assert ((found > 0) & (found <= 1)).all()
        assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("knot", [-746.0, 746.0, 80.5, np.nan, np.inf])
def test_knots_past_what_a_sigmoid_can_tell_apart_are_refused(knot: float) -> None:
    with pytest.raises(SnapshotInvalid, match="logits up to"):
        Calibrator.from_arrays({"x": np.sort([0.0, knot]), "y": np.array([0.1, 0.2])})

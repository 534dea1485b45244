"""From raw logits to rates: isotonic regression of recent outcomes on recent predictions.

The regression (scikit-learn's) is a staircase, and scores on one stair would tie. So each stair becomes one knot, at
the mean logit of its examples, and serving interpolates between knots (centered isotonic regression: Oron and
Flournoy 2017). Stairs of few examples, most of them at the two ends, are first joined with their neighbours. Outside
the knots the curve is logistic, scaled to meet the outermost knot:

    below:  y[0] * sigmoid(x) / sigmoid(x[0])          above:  1 - (1 - y[-1]) * sigmoid(-x) / sigmoid(-x[-1])

so a calibrated probability rises strictly with its logit and never reaches 0 or 1. Logits past +-MOST_LOGIT count as
that, or the quotients would end in 0 / 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F64, I64
from contracts.declared_arrays import checked
from contracts.errors import SnapshotInvalid

MOST_LOGIT = 80.0  # sigmoid(-80) is 1.8e-35, within float32
_LEAST_SHARE = 1 / 200  # of the weight of all examples: least weight behind a knot


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Knots: x float64[k] logits and y float64[k] rates, both strictly rising. Without knots it is the sigmoid.

    x is within +-MOST_LOGIT, y within (0, 1).
    """

    x: F64
    y: F64

    @staticmethod
    def identity() -> "Calibrator":
        """The calibrator of a model without observations: the sigmoid."""
        return Calibrator(np.empty(0), np.empty(0))

    def apply(self, logits: NDArray[np.floating[Any]]) -> F64:
        """Calibrated probabilities float64[n]. This defines what the serving kernel computes."""
        logits = _within_most(logits)
        if not len(self.x):
            return sigmoid(logits)
        below = self.y[0] * sigmoid(logits) / sigmoid(self.x[:1])
        above = 1 - (1 - self.y[-1]) * sigmoid(-logits) / sigmoid(-self.x[-1:])
        inside = np.interp(logits, self.x, self.y)
        return np.asarray(np.where(logits < self.x[0], below, np.where(logits > self.x[-1], above, inside)))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What a snapshot stores."""
        return {"x": self.x, "y": self.y}

    @staticmethod
    def from_arrays(arrays: dict[str, NDArray[Any]]) -> "Calibrator":
        """The inverse of `to_arrays`. Raises `SnapshotInvalid` for other arrays, and for knots that do not rise."""
        x, y = checked("calibrator", arrays, {"x": (np.float64, (None,)), "y": (np.float64, (None,))})
        rising = len(x) == len(y) and bool((np.diff(x) > 0).all() and (np.diff(y) > 0).all())
        if not rising or not ((np.abs(x) <= MOST_LOGIT) & (y > 0) & (y < 1)).all():
            raise SnapshotInvalid(
                f"calibrator: knots must rise strictly, with logits up to +-{MOST_LOGIT:g} and rates between 0 and 1"
            )
        return Calibrator(x, y)


def sigmoid(logits: NDArray[np.floating[Any]]) -> F64:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(logits.astype(np.float64)))
    return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))


def _within_most(logits: NDArray[np.floating[Any]]) -> F64:
    return np.clip(logits.astype(np.float64), -MOST_LOGIT, MOST_LOGIT)


def fit(
    logits: NDArray[np.floating[Any]],  # [n], as served: place 0, before calibration; finite
    labels: NDArray[Any],  # [n], bool or 0/1
    weights: NDArray[np.floating[Any]],  # [n]
    minimum: int = 1_000,  # with fewer examples nothing is calibrated
) -> Calibrator:
    """The calibrator of these observations; the identity if there are too few or all labels are alike.

    A pure function of its arguments. Rates stay half an example's weight away from 0 and 1.
    """
    from sklearn.isotonic import IsotonicRegression  # takes a second to import, and only trainers fit

    used = weights > 0
    x, y, w = _within_most(logits[used]), labels[used].astype(np.float64), weights[used].astype(np.float64)
    if len(x) < minimum or y.min() == y.max():
        return Calibrator.identity()
    order = np.argsort(x, kind="stable")
    x, y, w = x[order], y[order], w[order]
    stairs = IsotonicRegression(out_of_bounds="clip").fit(x, y, w).predict(x)
    floor = 0.5 * w.mean() / w.sum()
    stairs = np.clip(stairs, floor, 1 - floor)
    number = _wide_enough(np.cumsum(np.append(False, np.diff(stairs) > 0)), w)
    mass = np.bincount(number, w)
    rates = np.bincount(number, w * stairs) / mass
    knots = np.bincount(number, w * x) / mass
    rising = np.append(True, (np.diff(knots) > 0) & (np.diff(rates) > 0))
    return Calibrator(knots[rising], rates[rising])


def _wide_enough(
    number: I64,  # [n], rising: the stair of each example
    weights: F64,  # [n]
) -> I64:
    """int64[n]: the stairs joined from the left with their neighbours until each has `_LEAST_SHARE` of the weight."""
    mass = np.bincount(number, weights)
    least = _LEAST_SHARE * mass.sum()
    joined, current, held = np.zeros(len(mass), np.int64), 0, 0.0
    for stair, of_stair in enumerate(mass.tolist()):
        if held >= least:
            current, held = current + 1, 0.0
        joined[stair] = current
        held += of_stair
    if held < least and current:
        joined[joined == current] = current - 1
    return joined[number]

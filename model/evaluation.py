"""How good probabilities are: log-loss, RCE, PR-AUC and calibration error, all weighted, all in float64.

RCE (relative cross entropy) is that of Twitter's RecSys Challenge: by how many percent the model's log-loss is below
that of always predicting the base rate. 0 is no better than the base rate, 100 is perfect.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.records import Evaluation

Values = NDArray[np.floating[Any]]
_CLIP = 1e-7  # one wrong probability of exactly 0 or 1 would make the log-loss infinite


def log_loss(
    probabilities: Values,  # [n]
    labels: NDArray[Any],  # [n], bool or 0/1
    weights: Values,  # [n]
) -> float:
    """Mean negative log-likelihood in nats an example."""
    p = np.clip(probabilities.astype(np.float64), _CLIP, 1 - _CLIP)
    losses = -np.where(labels.astype(bool), np.log(p), np.log1p(-p))
    return float(np.average(losses, weights=weights.astype(np.float64)))


def base_rate(labels: NDArray[Any], weights: Values) -> float:
    """The weighted share of positive labels."""
    return float(np.average(labels.astype(np.float64), weights=weights.astype(np.float64)))


def rce(probabilities: Values, labels: NDArray[Any], weights: Values) -> float:
    """Relative cross entropy in percent. Raises `ValueError` if all labels are alike: then there is no base rate."""
    rate = base_rate(labels, weights)
    if not 0 < rate < 1:
        raise ValueError("relative cross entropy needs both positive and negative labels")
    base = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    return float(100 * (1 - log_loss(probabilities, labels, weights) / base))


def pr_auc(probabilities: Values, labels: NDArray[Any], weights: Values) -> float:
    """Average precision: the precision at each distinct score, weighted by the recall it adds (no interpolation).

    Raises `ValueError` without a positive label.
    """
    order = np.argsort(-probabilities, kind="stable")
    scores, w = probabilities[order], weights[order].astype(np.float64)
    positive = w * labels[order].astype(np.float64)
    if positive.sum() <= 0:
        raise ValueError("average precision needs a positive label")
    last_of_score = np.append(scores[1:] != scores[:-1], True)
    found, taken = np.cumsum(positive)[last_of_score], np.cumsum(w)[last_of_score]
    kept = taken > 0  # examples of weight zero come before any precision is defined
    found, taken = found[kept], taken[kept]
    return float(np.sum(np.diff(found, prepend=0.0) * found / taken) / found[-1])


def calibration_error(probabilities: Values, labels: NDArray[Any], weights: Values, bins: int = 20) -> float:
    """Expected calibration error over `bins` bins of equal mass: the mean of |predicted rate - observed rate|."""
    order = np.argsort(probabilities, kind="stable")
    w = weights[order].astype(np.float64)
    middle = np.cumsum(w) - w / 2
    bin_of = np.minimum((middle / w.sum() * bins).astype(np.int64), bins - 1)
    gap = w * (probabilities[order].astype(np.float64) - labels[order].astype(np.float64))
    return float(np.abs(np.bincount(bin_of, gap, minlength=bins)).sum() / w.sum())


def evaluate(probabilities: Values, labels: NDArray[Any], weights: Values) -> Evaluation | None:
    """All figures of one stretch of examples; None where they are not defined (only one kind of label has weight).

    How many examples were of each provenance is for the caller to fill in.
    """
    if not weights.any() or not 0 < base_rate(labels, weights) < 1:
        return None
    return Evaluation(
        examples=len(labels),
        base_rate=base_rate(labels, weights),
        log_loss=log_loss(probabilities, labels, weights),
        rce=rce(probabilities, labels, weights),
        pr_auc=pr_auc(probabilities, labels, weights),
        calibration_error=calibration_error(probabilities, labels, weights),
        provenance={},
    )

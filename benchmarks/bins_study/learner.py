"""The learner of the study: logistic regression with Adagrad (Duchi et al. 2011), one example at a time, compiled.

    p = sigmoid(bias + sum over i of value_i * weight[row_i]);   g_i = (p - label) * value_i
    accumulator[row_i] += g_i^2;   weight[row_i] -= rate * g_i / sqrt(accumulator[row_i])

`learn_slowly` is its reference in plain Python.
"""

from math import exp, sqrt
from typing import Any

import numpy as np
from numba import njit

from benchmarks.bins_study.edges import Mixture
from contracts.arrays import F64, I64
from featurestore.bins.replica import BIN_ROWS

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_TINY = 1e-12


class Learner:
    """One model per learning rate. All weights start at 0; the last one is the bias."""

    def __init__(self) -> None:
        self._rates = np.array(RATES)
        self._weights = np.zeros((len(RATES), BIN_ROWS + 1))
        self._accumulators = np.zeros_like(self._weights)

    def predict(self, rows: I64, values: F64) -> F64:
        """float64[len(RATES), n], the probabilities of n examples. rows: int64[n, d]. values: float64[n, d]."""
        log_odds = (self._weights[:, rows] * values).sum(axis=2) + self._weights[:, -1:]
        return np.asarray(1.0 / (1.0 + np.exp(-log_odds)), np.float64)

    def learn(self, rows: I64, values: F64, labels: F64) -> None:
        """Learn one example after the other. labels: float64[n], 0 or 1."""
        for weights, accumulators, rate in zip(self._weights, self._accumulators, self._rates, strict=True):
            _learn(rows, values, labels, weights, accumulators, rate)

    def mix(self, mixtures: list[Mixture]) -> None:
        """Mix the rows of features whose edges rolled, as in the trainer: weights and accumulators."""
        for rows, shares in mixtures:
            for table in (self._weights, self._accumulators):
                table[:, rows] = table[:, rows] @ shares.T


@njit(cache=True, nogil=True, boundscheck=False)
def _learn(
    rows: Any,  # int64[n, d]
    values: Any,  # float64[n, d]
    labels: Any,  # float64[n]
    weights: Any,  # float64[r + 1], changed
    accumulators: Any,  # float64[r + 1], changed
    rate: float,
) -> None:
    bias = weights.size - 1
    for i in range(labels.size):
        log_odds = weights[bias]
        for j in range(rows.shape[1]):
            log_odds += values[i, j] * weights[rows[i, j]]
        gap = 1.0 / (1.0 + np.exp(-log_odds)) - labels[i]
        accumulators[bias] += gap * gap
        weights[bias] -= rate * gap / np.sqrt(accumulators[bias] + _TINY)
        for j in range(rows.shape[1]):
            row, gradient = rows[i, j], gap * values[i, j]
            accumulators[row] += gradient * gradient
            weights[row] -= rate * gradient / np.sqrt(accumulators[row] + _TINY)


def learn_slowly(
    rows: list[list[int]], values: list[list[float]], labels: list[float], rate: float
) -> dict[int, float]:
    """Row -> weight of a learner that starts with zeros; the bias is row -1."""
    weights: dict[int, float] = {}
    accumulators: dict[int, float] = {}
    for of_rows, of_values, label in zip(rows, values, labels, strict=True):
        terms = [(-1, 1.0), *zip(of_rows, of_values, strict=True)]
        log_odds = sum(value * weights.get(row, 0.0) for row, value in terms)
        gap = 1.0 / (1.0 + exp(-log_odds)) - label
        for row, value in terms:
            gradient = gap * value
            accumulators[row] = accumulators.get(row, 0.0) + gradient**2
            weights[row] = weights.get(row, 0.0) - rate * gradient / sqrt(accumulators[row] + _TINY)
    return weights


def log_losses(probabilities: F64, labels: F64) -> F64:
    """float64[..., n], nats. probabilities: float64[..., n]. labels: float64[n], 0 or 1."""
    right = np.where(labels == 1, probabilities, 1.0 - probabilities)
    return np.asarray(-np.log(np.clip(right, 1e-15, 1.0)), np.float64)

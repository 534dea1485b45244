"""Normalizations of features without bins, as baselines for `bins_drift` and `bins_study`. They run online.

A value is observed before it is normalized, so a first value of a million neither explodes nor divides by zero.
Missing values (NaN) are not observed, and become 0.
"""

import numpy as np

from contracts.arrays import F64


class MeanVariance:
    """(x - mean) / standard deviation, over all values so far (Welford 1962, in batches as in Chan et al. 1979)."""

    def __init__(self, width: int) -> None:
        self._count = np.zeros(width)
        self._mean = np.zeros(width)
        self._squares = np.zeros(width)

    def normalize(self, values: F64) -> F64:
        """float64[n, width] -> float64[n, width]; observes the values first."""
        count = (~np.isnan(values)).sum(axis=0)
        mean = np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), self._mean)
        squares = np.nansum((values - mean) ** 2, axis=0)
        total = self._count + count
        shift = mean - self._mean
        some = np.maximum(total, 1)
        self._squares += squares + shift**2 * self._count * count / some
        self._mean += shift * count / some
        self._count = total
        deviation = np.sqrt(self._squares / some)
        return np.nan_to_num((values - self._mean) / np.where(deviation > 0, deviation, 1.0))


class Maximum:
    """clamp(x / largest absolute value so far, -1, 1), as in Twitter's ranking model of 2017, for unbinned values."""

    def __init__(self, width: int) -> None:
        self._largest = np.zeros(width)

    def normalize(self, values: F64) -> F64:
        """float64[n, width] -> float64[n, width]; observes the values first."""
        seen = np.nan_to_num(np.abs(values)).max(axis=0, initial=0.0)
        self._largest = np.maximum(self._largest, seen)
        return np.nan_to_num(np.clip(values / np.where(self._largest > 0, self._largest, 1.0), -1, 1))

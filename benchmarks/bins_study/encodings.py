"""Encodings of numbers for a linear learner: rolling and frozen bins, z-scores, max normalization.

Each gives one row and one value per feature. Bins give the row of (feature, bin) and the value 1; the others give one
row for all ordinary values, and the number. Zero, missing and infinite values have their own rows in each encoding,
so they favour none.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.bins_study.edges import BINS, Mixture, RollingEdges, month_edges, rows_of
from benchmarks.bins_study.stream import MONTH
from benchmarks.normalization import Maximum
from contracts.arrays import F32, F64, I64
from contracts.columns import MISSING
from featurestore.bins.edge_table import BIN_STRIDE, ORDINARY
from featurestore.bins.replica import FrozenBins
from featurestore.features import CONTINUOUS

MOST_Z = 5.0  # z-scores are clipped, or the largest values of a heavy tail would undo what was learned
_BARE = FrozenBins.empty()

Encoded = tuple[I64, F64]  # rows int64[n, d], values float64[n, d]


class Encoding(Protocol):
    """An encoding. `observe` is called for every window in order, `freeze` after the first month."""

    name: str

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Observe a closed window. Returns how learned rows are mixed."""

    def freeze(self) -> None:
        """End the first month."""

    def encode(self, dense: F32) -> Encoded:
        """Encode examples, float32[n, len(CONTINUOUS)]."""


class RollingBins:
    """Driftline's bins, with the edges of the windows before."""

    name = "rolling bins"

    def __init__(self, bins: int = BINS) -> None:
        self.edges = RollingEdges(bins)

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Count the window."""
        return self.edges.observe(window, dense)

    def freeze(self) -> None:
        """Do nothing."""

    def encode(self, dense: F32) -> Encoded:
        """Rows of (feature, bin)."""
        return _one_hot(self.edges.view, dense)


class FirstMonthBins:
    """Equal-mass bins of the first month, equally many, from the same sketch."""

    name = "bins of the first month"

    def __init__(self, bins: int = BINS) -> None:
        self._bins = bins
        self._blocks: list[F32] = []
        self._frozen = False
        self.view = FrozenBins.empty()

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Keep the values of the first month."""
        if not self._frozen:
            self._blocks.append(dense)
        return []

    def freeze(self) -> None:
        """Compute the edges."""
        self.view = month_edges(np.concatenate(self._blocks), self._bins)
        self._frozen = True
        self._blocks.clear()

    def encode(self, dense: F32) -> Encoded:
        """Rows of (feature, bin)."""
        return _one_hot(self.view, dense)


class ZScores:
    """(x - mean) / standard deviation of the first month, or of the last `MONTH` windows, clipped at `MOST_Z`.

    transform: applied to the values first, float64 array -> array.
    """

    def __init__(self, name: str, rolling: bool, transform: Callable[[F64], F64]) -> None:
        self.name = name
        self._rolling, self._transform = rolling, transform
        self._frozen = False
        # (window, float64[3, d]: the number of values, their sum, the sum of their squares).
        self._panes: deque[tuple[int, F64]] = deque()
        self._moments = np.zeros((3, len(CONTINUOUS)))

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Add the window, and drop windows that are a month old."""
        if self._rolling or not self._frozen:
            values = self._transform(dense.astype(np.float64))
            known = np.isfinite(values)
            values = np.where(known, values, 0.0)
            self._panes.append((window, np.stack([known.sum(axis=0), values.sum(axis=0), (values**2).sum(axis=0)])))
            while self._panes[0][0] <= window - MONTH:
                self._panes.popleft()
            self._moments = np.sum([pane for _, pane in self._panes], axis=0)
        return []

    def freeze(self) -> None:
        """Stop observing, unless its edges go on changing."""
        self._frozen = True

    def encode(self, dense: F32) -> Encoded:
        """One row for all ordinary values; the value 0 if all values of a feature were equal."""
        count, total, squares = self._moments
        mean = total / np.maximum(count, 1)
        deviation = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0))
        safe = np.where(deviation > 1e-9 * np.maximum(np.abs(mean), 1.0), deviation, np.inf)
        values = self._transform(dense.astype(np.float64))
        return _linear(dense, np.clip((values - mean) / safe, -MOST_Z, MOST_Z))


class MaxNormalization:
    """x / largest absolute value so far, including the present examples; so between -1 and 1."""

    name = "max normalization"

    def __init__(self) -> None:
        self._maximum = Maximum(len(CONTINUOUS))

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Update the maximum."""
        self._maximum.normalize(dense.astype(np.float64))
        return []

    def freeze(self) -> None:
        """Do nothing."""

    def encode(self, dense: F32) -> Encoded:
        """One row for all ordinary values."""
        return _linear(dense, self._maximum.normalize(dense.astype(np.float64)))


class NoFeatures:
    """Only the base rate, learned by the same learner."""

    name = "no features"

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Do nothing."""
        return []

    def freeze(self) -> None:
        """Do nothing."""

    def encode(self, dense: F32) -> Encoded:
        """Every value is missing, with value 0."""
        return rows_of(_BARE, np.full_like(dense, MISSING)), np.zeros(dense.shape)


def all_encodings(rolling: RollingBins, frozen: FirstMonthBins) -> list[Encoding]:
    """The encodings of the study, rolling bins first."""
    return [
        rolling,
        frozen,
        ZScores("z-scores of the first month", False, _identity),
        ZScores("rolling z-scores", True, _identity),
        ZScores("rolling z-scores of logarithms", True, signed_log),
        MaxNormalization(),
        NoFeatures(),
    ]


def signed_log(values: F64) -> F64:
    """float64[...], sign(x) log(1 + |x|)."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)), np.float64)


def _identity(values: F64) -> F64:
    return values


def _one_hot(view: FrozenBins, dense: F32) -> Encoded:
    return rows_of(view, dense), np.ones(dense.shape)


def _linear(dense: F32, normalized: NDArray[np.floating]) -> Encoded:
    rows = rows_of(_BARE, dense)
    ordinary = rows % BIN_STRIDE == ORDINARY
    return rows, np.where(ordinary, normalized, 1.0)

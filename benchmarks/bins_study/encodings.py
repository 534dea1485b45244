"""Ways to give numbers to a linear learner, all asked alike: rolling and frozen bins, z-scores, max normalization.

Each gives one row and one value a feature: with bins (feature, bin) and 1; with the others one row for all ordinary
values and the number itself. Zero, missing and infinite values have rows of their own under each of them, so none
wins or loses by those.
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
from featurestore.bins.replica import BinsView
from featurestore.features import CONTINUOUS

MOST_Z = 5.0  # z-scores are cut off here, or a heavy tail's largest values undo what was learned
_BARE = BinsView.empty()

Encoded = tuple[I64, F64]  # rows int64[n, d], values float64[n, d]


class Encoding(Protocol):
    """A way to encode. `observe` and `freeze` say what was seen, in order; `encode` changes nothing but a maximum."""

    name: str

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """A window closed; how rows that were learned change their meaning."""

    def freeze(self) -> None:
        """The first month is over."""

    def encode(self, dense: F32) -> Encoded:
        """Examples, float32[n, len(CONTINUOUS)]."""


class RollingBins:
    """The product's bins: edges as of the windows before."""

    name = "rolling bins"

    def __init__(self, bins: int = BINS) -> None:
        self.edges = RollingEdges(bins)

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Counts."""
        return self.edges.observe(window, dense)

    def freeze(self) -> None:
        """Goes on."""

    def encode(self, dense: F32) -> Encoded:
        """Rows of (feature, bin)."""
        return _one_hot(self.edges.view, dense)


class FrozenBins:
    """Equal-mass bins of the first month, as many, from the same sketch."""

    name = "bins of the first month"

    def __init__(self, bins: int = BINS) -> None:
        self._bins = bins
        self._blocks: list[F32] = []
        self._frozen = False
        self.view = BinsView.empty()

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Keeps the values of the first month."""
        if not self._frozen:
            self._blocks.append(dense)
        return []

    def freeze(self) -> None:
        """Takes the edges."""
        self.view = month_edges(np.concatenate(self._blocks), self._bins)
        self._frozen = True
        self._blocks.clear()

    def encode(self, dense: F32) -> Encoded:
        """Rows of (feature, bin)."""
        return _one_hot(self.view, dense)


class ZScores:
    """(x - mean) / standard deviation, cut off at `MOST_Z`: of the first month, or of the last `MONTH` windows.

    transform: float64 array -> array, applied to the values first.
    """

    def __init__(self, name: str, rolling: bool, transform: Callable[[F64], F64]) -> None:
        self.name = name
        self._rolling, self._transform = rolling, transform
        self._frozen = False
        self._panes: deque[tuple[int, F64]] = deque()  # (window, float64[3, d]: values, their sum, their squares)
        self._moments = np.zeros((3, len(CONTINUOUS)))

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Adds the window, and drops those that are a month old."""
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
        """Stops, unless it rolls."""
        self._frozen = True

    def encode(self, dense: F32) -> Encoded:
        """One row for all ordinary values; 0 where all of a feature's values were the same."""
        count, total, squares = self._moments
        mean = total / np.maximum(count, 1)
        deviation = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0))
        safe = np.where(deviation > 1e-9 * np.maximum(np.abs(mean), 1.0), deviation, np.inf)
        values = self._transform(dense.astype(np.float64))
        return _linear(dense, np.clip((values - mean) / safe, -MOST_Z, MOST_Z))


class MaxNormalization:
    """x / largest absolute value so far, the examples at hand included, so within -1 and 1."""

    name = "max normalization"

    def __init__(self) -> None:
        self._maximum = Maximum(len(CONTINUOUS))

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Takes the window's largest."""
        self._maximum.normalize(dense.astype(np.float64))
        return []

    def freeze(self) -> None:
        """Goes on."""

    def encode(self, dense: F32) -> Encoded:
        """One row for all ordinary values."""
        return _linear(dense, self._maximum.normalize(dense.astype(np.float64)))


class NoFeatures:
    """The base rate alone, learned by the same learner."""

    name = "no features"

    def observe(self, window: int, dense: F32) -> list[Mixture]:
        """Nothing to do."""
        return []

    def freeze(self) -> None:
        """Nothing to do."""

    def encode(self, dense: F32) -> Encoded:
        """Every value is missing, and counts nothing."""
        return rows_of(_BARE, np.full_like(dense, MISSING)), np.zeros(dense.shape)


def all_encodings(rolling: RollingBins, frozen: FrozenBins) -> list[Encoding]:
    """Those of the study, rolling bins first."""
    return [
        rolling,
        frozen,
        ZScores("z-scores of the first month", False, _as_it_is),
        ZScores("rolling z-scores", True, _as_it_is),
        ZScores("rolling z-scores of logarithms", True, signed_log),
        MaxNormalization(),
        NoFeatures(),
    ]


def signed_log(values: F64) -> F64:
    """float64[...]: sign(x) log(1 + |x|)."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)), np.float64)


def _as_it_is(values: F64) -> F64:
    return values


def _one_hot(view: BinsView, dense: F32) -> Encoded:
    return rows_of(view, dense), np.ones(dense.shape)


def _linear(dense: F32, normalized: NDArray[np.floating]) -> Encoded:
    rows = rows_of(_BARE, dense)
    ordinary = rows % BIN_STRIDE == ORDINARY
    return rows, np.where(ordinary, normalized, 1.0)

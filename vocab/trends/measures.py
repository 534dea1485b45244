"""The measures of drift of one owner, and of several together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.arrays import U64
from vocab.namespaces import Namespace


@dataclass(frozen=True, slots=True)
class Measures:
    """Drift of one owner's keys. A distance is None before there are two distributions.

    changes_an_hour: admissions and evictions. occurrences, outside: uint64[256], by namespace, of the newest window.
    """

    admitted: int
    changes_an_hour: float
    occurrences: U64
    outside: U64
    window_distance: float | None
    hour_distance: float | None

    @property
    def turnover(self) -> float | None:
        """Admissions and evictions an hour, per admitted key."""
        return self.changes_an_hour / self.admitted if self.admitted else None

    def outside_shares(self) -> dict[Namespace, float]:
        """The share of occurrences outside the vocabulary, of the namespaces that occurred."""
        return {
            namespace: float(self.outside[namespace] / self.occurrences[namespace])
            for namespace in Namespace
            if self.occurrences[namespace]
        }


def together(measures: Sequence[Measures]) -> Measures:
    """Of several owners: sums, and the mean of their distances, weighted by occurrences."""
    weights = [float(each.occurrences.sum()) for each in measures]
    return Measures(
        admitted=sum(each.admitted for each in measures),
        changes_an_hour=sum(each.changes_an_hour for each in measures),
        occurrences=np.sum([each.occurrences for each in measures], axis=0, dtype=np.uint64),
        outside=np.sum([each.outside for each in measures], axis=0, dtype=np.uint64),
        window_distance=_mean([each.window_distance for each in measures], weights),
        hour_distance=_mean([each.hour_distance for each in measures], weights),
    )


def _mean(figures: Sequence[float | None], weights: Sequence[float]) -> float | None:
    known = [(figure, weight) for figure, weight in zip(figures, weights, strict=True) if figure is not None]
    total = sum(weight for _, weight in known)
    return sum(figure * weight for figure, weight in known) / total if total else None

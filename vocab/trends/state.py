"""`Trends` and `Drift` as columns of an owner's state: integers, the same whatever the order of what came."""

import numpy as np

from contracts.codec import Frame
from contracts.columnar import U8, U16, U64
from vocab.languages import ALL
from vocab.trends.drift import Drift
from vocab.trends.horizons import Trends


class TrendState(Frame, frozen=True, kw_only=True):
    """Beside the admitted keys, which the owner's own columns hold: both go by them, ascending.

    `languages`, `counts` (5 x rows): of `Trends`; a row of all languages begins the next key. `drift_*`: of `Drift`.
    """

    languages: U16
    counts: U64
    drift_counts: U64
    drift_rest: U64
    drift_hour: int
    drift_changes: int
    drift_occurrences: U64
    drift_outside: U64


def pack(trends: Trends, drift: Drift) -> TrendState:
    """The state of both."""
    return TrendState(
        languages=trends.languages,
        counts=trends.counts.reshape(-1),
        drift_counts=drift.counts.reshape(-1),
        drift_rest=drift.rest.reshape(-1),
        drift_hour=drift.hour,
        drift_changes=drift.changes,
        drift_occurrences=drift.occurrences,
        drift_outside=drift.outside,
    )


def restore(trends: Trends, drift: Drift, state: TrendState, admitted: U64, namespaces: U8) -> None:
    """Fills new ones of an owner whose `admitted` keys ascend."""
    drift.keys, drift.namespaces = admitted, namespaces
    trends.languages = state.languages
    trends.keys = admitted[np.cumsum(state.languages == ALL) - 1]
    trends.counts = state.counts.reshape(len(trends.counts), -1).copy()  # decoded columns are read-only
    drift.counts = state.drift_counts.reshape(len(drift.rest), len(admitted)).copy()
    drift.rest = state.drift_rest.reshape(drift.rest.shape).copy()
    drift.hour, drift.changes = state.drift_hour, state.drift_changes
    drift.occurrences, drift.outside = state.drift_occurrences, state.drift_outside

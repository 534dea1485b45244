"""`Trends` and `Drift` as columns of an owner's packed state: integers, the same in whatever order counts came."""

import numpy as np

from contracts.arrays import U8, U16, U64
from contracts.frames import Frame
from vocab.languages import ALL
from vocab.trends.drift import NAMESPACES, TABLES, Drift
from vocab.trends.horizons import Trends
from vocab.trends.spans import SPANS_MS


class PackedTrends(Frame, frozen=True, kw_only=True):
    """Trends and drift without their keys, which are the admitted ones, ascending: the owner's own columns hold them.

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


def pack(trends: Trends, drift: Drift) -> PackedTrends:
    """The state of both."""
    return PackedTrends(
        languages=trends.languages,
        counts=trends.counts.reshape(-1),
        drift_counts=drift.counts.reshape(-1),
        drift_rest=drift.rest.reshape(-1),
        drift_hour=drift.hour,
        drift_changes=drift.changes,
        drift_occurrences=drift.occurrences,
        drift_outside=drift.outside,
    )


def unpack(packed: PackedTrends, window_ms: int, admitted: U64, namespaces: U8) -> tuple[Trends, Drift]:
    """Both, of an owner whose `admitted` keys ascend. admitted: uint64[n], namespaces: uint8[n]."""
    # Decoded columns are read-only; what is written into is copied.
    trends = Trends(
        window_ms,
        keys=admitted[np.cumsum(packed.languages == ALL) - 1],
        languages=packed.languages,
        counts=packed.counts.reshape(len(SPANS_MS), -1).copy(),
    )
    drift = Drift(
        window_ms,
        keys=admitted,
        namespaces=namespaces,
        counts=packed.drift_counts.reshape(TABLES, len(admitted)).copy(),
        rest=packed.drift_rest.reshape(TABLES, NAMESPACES).copy(),
        hour=packed.drift_hour,
        changes=packed.drift_changes,
        occurrences=packed.drift_occurrences,
        outside=packed.drift_outside,
    )
    return trends, drift

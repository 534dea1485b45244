"""Drift as numbers: how fast the vocabulary turns over, what it misses, and how far what is said moves.

Each owner measures its own shards, a random share of all keys, out of integers that are functions of the sources'
logs:

* *turnover*: admissions and evictions an hour, over the last hour (a decayed count, `velocity.py`), per admitted key;
* *outside*: occurrences in the newest counted window, and those of them whose key held no slot before that window was
  decided: what a model of that moment could not tell apart;
* *distance*: Jensen-Shannon between two distributions of occurrences over the admitted keys, and one rest for each
  namespace: of the two newest counted windows, and of the two newest hours of event time that are over. A key that
  was admitted since has its earlier occurrences in the rest; one that was evicted has all of them there.

The distance is the square root of the divergence of J. Lin, "Divergence measures based on the Shannon entropy"
(1991), with logarithms of base 2: a metric (Endres and Schindelin, 2003), 0 for equal and 1 for disjoint
distributions.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F64, U8, U64
from vocab import decay
from vocab.sorted_columns import locate
from vocab.trends.measures import Measures
from vocab.trends.spans import HORIZONS
from vocab.trends.velocity import half_life, reach

NAMESPACES = 256  # as many as a byte has room for
TABLES = 5  # rows of counts: HOUR is being counted, the others are over
THIS, LAST, HOUR, FORMER_HOUR, HOUR_BEFORE = range(
    TABLES
)  # rows of counts; HOUR is being counted, the others are over
_HOUR_MS = HORIZONS["1h"]


@dataclass(slots=True, eq=False)
class Drift:
    """Counts of n admitted keys, and of the rest of each namespace.

    keys: uint64[n], ascending. namespaces: uint8[n]. counts: uint64[5, n]. rest: uint64[5, 256]. hour: the one being
    counted, event time in hours. changes: admissions and evictions, decayed, in units of 2^-32. occurrences, outside:
    uint64[256], of the newest window.
    """

    window_ms: int
    keys: U64 = field(default_factory=lambda: np.empty(0, np.uint64))
    namespaces: U8 = field(default_factory=lambda: np.empty(0, np.uint8))
    counts: U64 = field(default_factory=lambda: np.zeros((TABLES, 0), np.uint64))
    rest: U64 = field(default_factory=lambda: np.zeros((TABLES, NAMESPACES), np.uint64))
    hour: int = 0
    changes: int = 0
    occurrences: U64 = field(default_factory=lambda: np.zeros(NAMESPACES, np.uint64))
    outside: U64 = field(default_factory=lambda: np.zeros(NAMESPACES, np.uint64))

    def pass_time(self, windows: int) -> None:
        """Applies so many windows of decay."""
        self.changes = decay.decay_one(self.changes, decay.factor(half_life(_HOUR_MS, self.window_ms), windows))

    def measure_outside(self, keys: U64, namespaces: U8, occurrences: U64) -> None:
        """A window's counts, each key once, ascending, against the keys that held a slot before its decision."""
        outside = ~locate(self.keys, keys)[1]
        self.occurrences = by_namespace(namespaces, occurrences)
        self.outside = by_namespace(namespaces[outside], occurrences[outside])

    def admit(self, admitted: U64, namespaces: U8) -> None:
        """Takes the keys that hold a slot now, ascending; what evicted ones had goes to the rest."""
        stays = locate(admitted, self.keys)[1]
        known = locate(self.keys, admitted)[1]
        came_or_went = int(np.count_nonzero(~stays) + np.count_nonzero(~known))
        if not came_or_went:
            return
        self.changes = decay.add_one(self.changes, came_or_went)
        for rest, counts in zip(self.rest, self.counts, strict=True):
            rest += by_namespace(self.namespaces[~stays], counts[~stays])
        former, self.counts = self.counts, np.zeros((TABLES, len(admitted)), np.uint64)
        self.counts[:, known] = former[:, stays]
        self.keys, self.namespaces = admitted, namespaces

    def count(self, window: int, keys: U64, namespaces: U8, occurrences: U64) -> None:
        """A window's counts, each key once, ascending, after its decision."""
        hour = window * self.window_ms // _HOUR_MS
        for table in (self.counts, self.rest):
            if hour != self.hour:
                table[HOUR_BEFORE], table[FORMER_HOUR], table[HOUR] = table[FORMER_HOUR], table[HOUR], 0
            table[LAST] = table[THIS]
        self.hour = hour
        places, held = locate(self.keys, keys)
        self.counts[THIS] = 0
        self.counts[THIS, places[held]] = occurrences[held]
        self.rest[THIS] = by_namespace(namespaces[~held], occurrences[~held])
        self.counts[HOUR] += self.counts[THIS]
        self.rest[HOUR] += self.rest[THIS]

    def measures(self, windows: int) -> Measures:
        """The measures of a vocabulary that began `windows` ago, the present one included."""
        hours = reach(_HOUR_MS, self.window_ms, windows) * self.window_ms / _HOUR_MS
        return Measures(
            admitted=len(self.keys),
            changes_an_hour=self.changes / decay.ONE / hours,
            occurrences=self.occurrences,
            outside=self.outside,
            window_distance=self._distance(LAST, THIS),
            hour_distance=self._distance(HOUR_BEFORE, FORMER_HOUR),
        )

    def _distance(self, before: int, after: int) -> float | None:
        one, other = (np.concatenate([self.counts[row], self.rest[row]]) for row in (before, after))
        return jensen_shannon(one, other) if one.any() and other.any() else None


def jensen_shannon(one: NDArray[np.integer], other: NDArray[np.integer]) -> float:
    """The Jensen-Shannon distance, base 2, of two distributions given as counts [n], neither of them all zeros."""
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2
    divergence = (_divergence(p, middle) + _divergence(q, middle)) / 2
    return float(np.sqrt(np.clip(divergence, 0.0, 1.0)))


def _divergence(p: F64, middle: F64) -> float:
    """Kullback-Leibler, base 2; `middle` is above 0 wherever p is."""
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / middle[some])))


def by_namespace(namespaces: U8, occurrences: U64) -> U64:
    """Sums of occurrences by namespace, uint64[256]. namespaces: uint8[n], occurrences: uint64[n]."""
    sums = np.zeros(NAMESPACES, np.uint64)
    np.add.at(sums, namespaces, occurrences)
    return sums

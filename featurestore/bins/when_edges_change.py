"""When a feature gets new edges: a test of how far its values moved, and what keeps edges from flapping.

Distances are Kolmogorov-Smirnov's: at distance d no edge's rank is off by more than d, which is just what equal-mass
bins are about. It needs no bins of its own and stays finite where a bin is empty; the population stability index does
neither. (Massey 1951 for the part of it that is chance.)

New edges are taken from the rolling window as it is now when

* the feature has none yet and has `minimum_values`, or its settings are other than they were; or
* the whole window is newer than the edges (`rolling_windows` have passed); or
* the distance from the window that the edges were taken from exceeds a bar:

    bar = max(moved, moved * rolling_windows / windows since) + 1.95 * sqrt(1/n + 1/m)

The first term is the hysteresis: right after a change of edges nothing passes, and slow movement waits longer. So
edges change at most once in any `moved * rolling_windows` windows, whatever the values do, and two distributions that
alternate do not change the edges at each turn. The second term is the distance that two samples of n and m values
exceed by chance one time in a thousand.

New edges that equal the old ones are no change: nothing is published.
"""

from dataclasses import dataclass
from math import sqrt

from contracts.arrays import F32
from contracts.settings import BinSettings
from featurestore.bins.edges import Sketch, ks_distance

CHANCE = 1.95  # of Kolmogorov-Smirnov's statistic at one in a thousand


@dataclass(frozen=True, slots=True)
class Values:
    """What edges are taken from: all values of the rolling window, and of labelled ones those of engaged examples."""

    every: Sketch
    positive: Sketch

    @staticmethod
    def unlabelled(every: Sketch) -> "Values":
        """Without labels."""
        return Values(every, Sketch.empty())


@dataclass(frozen=True, slots=True)
class Published:
    """A feature's edges: taken in `window` from `values` as `rule` says, which names discretizer and settings."""

    edges: F32
    values: Values
    window: int
    rule: str


def is_due(settings: BinSettings, published: Published | None, values: Values, window: int, rule: str) -> bool:
    """Whether edges are to be taken anew in this window."""
    if values.every.total < settings.minimum_values:
        return False
    if published is None or published.rule != rule or window - published.window >= settings.rolling_windows:
        return True
    former, since = published.values, window - published.window
    bar = settings.moved * max(1.0, settings.rolling_windows / since)
    return _passes(former.every, values.every, bar) or _passes(former.positive, values.positive, bar)


def _passes(former: Sketch, now: Sketch, bar: float) -> bool:
    n, m = former.total, now.total
    if n == 0 or m == 0:
        return False
    bar += CHANCE * sqrt(1 / n + 1 / m)
    return bar < 1 and ks_distance(former, now) > bar

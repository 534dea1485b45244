"""When a feature gets new edges: a test of how far its values moved, and hysteresis against flapping edges.

Distances are Kolmogorov-Smirnov distances: at distance d no edge's rank is off by more than d, and ranks are what
equal-mass bins depend on. This distance needs no bins of its own and stays finite if a bin is empty, unlike the
population stability index. (Massey 1951 for the part that is chance.)

New edges are computed from the current rolling window when

* the feature has no edges yet and has `minimum_values`, or its settings have changed; or
* the whole window is newer than the edges (`rolling_windows` have passed); or
* the distance from the window of the present edges exceeds a bar:

    bar = max(moved, moved * rolling_windows / windows since) + 1.95 * sqrt(1/n + 1/m)

The first term is the hysteresis: right after a change of edges no distance passes, and small movements wait longer.
So edges change at most once in any `moved * rolling_windows` windows, whatever the values do. Two distributions that
alternate do not change the edges at each turn. The second term is the distance that two samples of n and m values
exceed by chance one time in a thousand.

New edges that equal the old ones are not published.
"""

from dataclasses import dataclass
from math import sqrt

from contracts.arrays import F32
from contracts.settings import BinSettings
from featurestore.bins.edges import Sketch, ks_distance

CHANCE = 1.95  # of Kolmogorov-Smirnov's statistic at one in a thousand


@dataclass(frozen=True, slots=True)
class Values:
    """The values that edges are computed from: all values of the rolling window, and those of engaged examples."""

    every: Sketch
    positive: Sketch

    @staticmethod
    def unlabelled(every: Sketch) -> "Values":
        """Values without labels."""
        return Values(every, Sketch.empty())


@dataclass(frozen=True, slots=True)
class Published:
    """A feature's edges, computed in `window` from `values`. `rule` names the discretizer and its settings."""

    edges: F32
    values: Values
    window: int
    rule: str


def is_due(settings: BinSettings, published: Published | None, values: Values, window: int, rule: str) -> bool:
    """Whether to compute new edges in this window."""
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

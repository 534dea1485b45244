"""How fast a key rises or falls: its rate lately against its rate over the long run, in occurrences a window.

A key seen r times in every window has a decayed count that tends to r / (1 - d), where d is what a window leaves of a
count; after n windows it is at (1 - d^n) of that. Hence, with n the windows since the vocabulary began,

    rate(count, d) = count * (1 - d) / (1 - d^n)
    velocity       = rate(recent count, d of the short half-life) - rate(count, d of the half-life)

Both counts are fixed-point integers that do not depend on the order of anything, and so is what is made of them here.
A steady key has velocity 0, a new one its whole rate; one that stopped tends to minus its long-run rate, then to 0.
"""

import numpy as np
from numpy.typing import NDArray

from vocab.decay import ONE, factor

RECENT = 24  # the short half-life is the half-life divided by this: an hour beside the default day
_ROUNDING = 2.0**-16  # a change within this share of the rate may be decay's rounding: it is none

U64 = NDArray[np.uint64]
F64 = NDArray[np.float64]


def rates(counts: U64, half_life_windows: float, windows: int) -> F64:
    """Occurrences a window, from decayed counts of a vocabulary that began `windows` (at least 1) ago."""
    fresh = ONE - factor(half_life_windows, 1)
    reached = ONE - factor(half_life_windows, windows)
    return counts.astype(np.float64) * (fresh / reached / ONE)


def velocities(counts: U64, recent: U64, half_life_windows: float, windows: int) -> F64:
    """Occurrences a window more (or fewer) lately than over the long run. uint64[n], uint64[n] -> float64[n]."""
    long_run = rates(counts, half_life_windows, windows)
    change = rates(recent, half_life_windows / RECENT, windows) - long_run
    change[np.abs(change) <= _ROUNDING * long_run] = 0.0
    return change

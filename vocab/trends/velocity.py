"""How fast a token rises or falls: what it did over a horizon against what it does over the next longer one.

A count *over a horizon H* is the sum of all occurrences, each weighted by exp(-age / H): a steady token has as many
as in the last H, and what is older fades instead of dropping out. A window leaves d = exp(-window length / H) of it
(fixed point, `vocab/decay.py`, half-life H ln 2), so horizons are lengths of event time, whatever the windows'
length. After n windows a count remembers (1 - d^n) / (1 - d) windows, its *reach*: less than H while the vocabulary
is younger. Hence, with x the count over the horizon and y the one over the next longer,

    expected  m = y * reach of the horizon / reach of the longer
    velocity    = (x - m) / reach                    occurrences more (or fewer) than expected, here an hour
    score       = (x - m) / sqrt(m + DAMPING)        what lists are ordered by

The score is the distance in units of a Poisson count's standard deviation: ten times the usual of a rare token beats
a tenth more of a common one. DAMPING occurrences are granted to every token, so one that was seen twice and never
before scores 1. The longest horizon is compared with `LONG_RUN_MS`. A steady token has 0 in both. Rounding of the
factors of decay leaves velocities within 2^-16 of the rate.
"""

import math

import numpy as np

from contracts.arrays import F64, U64
from vocab.decay import ONE, factor
from vocab.trends.spans import SPANS_MS

_HOUR_MS = 3_600_000
DAMPING = 4.0  # occurrences


def half_life(span_ms: int, window_ms: int) -> float:
    """Windows in which a count over `span_ms` halves."""
    return span_ms / window_ms * math.log(2)


def reach(span_ms: int, window_ms: int, windows: int) -> float:
    """How many windows a count over `span_ms` remembers, when the vocabulary began `windows` (at least 1) ago."""
    halving = half_life(span_ms, window_ms)
    return (ONE - factor(halving, windows)) / (ONE - factor(halving, 1))


def movements(counts: U64, horizon: int, window_ms: int, windows: int) -> tuple[F64, F64]:
    """(velocities in occurrences an hour, scores), float64[n] each, at the horizon of that index of `HORIZONS`.

    counts: uint64[5, n], a row for each of `SPANS_MS`. windows: since the vocabulary began, the present one included.
    """
    here, longer = (reach(SPANS_MS[row], window_ms, windows) for row in (horizon, horizon + 1))
    expected = counts[horizon + 1] * (2.0**-32 * here / longer)
    change = counts[horizon] * 2.0**-32 - expected
    return change * (_HOUR_MS / window_ms / here), change / np.sqrt(expected + DAMPING)

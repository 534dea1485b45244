"""Counts that fade with event time, in fixed point: the same bits on every machine.

A count is a uint64 in units of 2^-32 occurrences; it saturates at 2^32 occurrences. Over k windows

    count' = round_half_up(count * factor(k) / 2^32),   factor(k) = round(2^32 * 2^(-k / half_life))

in exact integers; factors come from decimal arithmetic of fixed precision, not from the platform's `pow`. Decay is
applied only when a window gets a decision, for all windows since the decision before. Which windows get one is a
function of the log (`eventtime/decision_windows.py`), and so is every count.

Rounding errs by half a unit a window, which adds up to `0.5 / (1 - 2^(-1/half_life))` units: 2^-22 occurrences at a
half-life of 1440 windows. Rounding of the factor adds some `0.53 * half_life * 2^-33` of the count itself. Together
they stay within 2^-20 of exact arithmetic, absolute and relative, up to half-lives of 4,000 windows.
"""

from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from contracts.arrays import U64

FRACTION_BITS = 32
ONE = 1 << FRACTION_BITS
MAX_COUNT = (1 << 64) - 1

_EXACT = Context(prec=40)
_BITS = np.uint64(FRACTION_BITS)
_LOW = np.uint64(ONE - 1)
_HALF = np.uint64(ONE >> 1)


def fixed(count: float) -> int:
    """A number of occurrences in units of 2^-32, saturated."""
    return min(round(min(count, float(ONE)) * ONE), MAX_COUNT)


@lru_cache(maxsize=4096)
def factor(half_life_windows: float, windows: int) -> int:
    """What is left of 2^32 after so many windows, 0..2^32."""
    halvings = _EXACT.divide(Decimal(windows), Decimal(half_life_windows))
    left = _EXACT.exp(_EXACT.multiply(_EXACT.minus(halvings), _EXACT.ln(Decimal(2))))
    return int(_EXACT.multiply(left, Decimal(ONE)).to_integral_value())


def decay(counts: U64, left: int) -> U64:
    """Counts times `left` / 2^32, rounded half up; `left` is a `factor`. uint64[n] -> uint64[n]."""
    multiplier = np.uint64(left)
    return (counts >> _BITS) * multiplier + (((counts & _LOW) * multiplier + _HALF) >> _BITS)


@njit(cache=True, nogil=True, boundscheck=False)
def decay_rows(counts: Any, left: Any) -> None:
    """`decay` of each row of a table, in place, by a factor of its own. counts: uint64[m, n], left: uint64[m]."""
    for row in range(left.size):
        multiplier = left[row]
        for column in range(counts.shape[1]):
            count = counts[row, column]
            counts[row, column] = (count >> _BITS) * multiplier + (((count & _LOW) * multiplier + _HALF) >> _BITS)


def decay_one(count: int, left: int) -> int:
    """`decay` of one count, in Python's integers."""
    return (count * left + (ONE >> 1)) >> FRACTION_BITS


def add(counts: U64, occurrences: U64) -> U64:
    """Counts plus whole occurrences, saturated. uint64[n], uint64[n] -> uint64[n]."""
    added = np.minimum(occurrences, _LOW) << _BITS
    total = counts + added
    return np.where(total < counts, np.uint64(MAX_COUNT), total)


def add_one(count: int, occurrences: int) -> int:
    """`add` of one count, in Python's integers."""
    return min(count + (min(occurrences, ONE - 1) << FRACTION_BITS), MAX_COUNT)

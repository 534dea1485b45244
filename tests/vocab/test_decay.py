"""Fixed-point decay: equal to plain integers, and within 2^-20 of exact arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.decay import MAX_COUNT, ONE, add, add_one, decay, decay_one, factor, fixed

COUNTS = st.integers(0, MAX_COUNT)


@given(st.lists(COUNTS, min_size=1, max_size=20), st.integers(0, ONE))
def test_columns_decay_as_single_integers_do(counts, left):
    assert decay(np.array(counts, np.uint64), left).tolist() == [decay_one(count, left) for count in counts]


@given(st.lists(st.tuples(COUNTS, st.integers(0, 2**40)), min_size=1, max_size=20))
def test_columns_add_as_single_integers_do_and_saturate(pairs):
    counts, occurrences = (np.array(column, np.uint64) for column in zip(*pairs, strict=True))
    assert add(counts, occurrences).tolist() == [add_one(count, more) for count, more in pairs]


def test_factors_are_golden():
    assert [factor(1440.0, windows) for windows in (0, 1, 2, 1440, 14400)] == [
        4294967296, 4292900401, 4290834502, 2147483648, 4194304,
    ]  # fmt: skip
    assert factor(1440.0, 10**7) == 0


@pytest.mark.parametrize("half_life", [2.0, 60.0, 1440.0, 4000.0])
def test_a_long_run_of_windows_stays_within_the_stated_error(half_life):
    left, seen = factor(half_life, 1), np.random.default_rng(3).integers(0, 50, 12_000).tolist()
    count, exact, keep = 0, 0.0, 2.0 ** (-1 / half_life)
    for occurrences in seen:
        count = add_one(decay_one(count, left), occurrences)
        exact = exact * keep + occurrences
    assert abs(count / ONE - exact) <= 2**-20 * max(1.0, exact)


def test_thresholds_are_exact():
    assert fixed(5.0) == 5 << 32
    assert fixed(0.5) == 1 << 31
    assert fixed(1e300) == MAX_COUNT

"""Counts over horizons, and what they say of tokens that rise and fall."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocab.decay import ONE
from vocab.keys import SHARDS, shard_of
from vocab.languages import ALL, UND, language_code
from vocab.namespaces import SPELLED, Namespace
from vocab.trends.horizons import LANGUAGE_ROWS_PER_SLOT, Trends, commonest_languages
from vocab.trends.reference import ReferenceTrends, movement
from vocab.trends.spans import HORIZONS, SPANS_MS
from vocab.trends.velocity import movements

WINDOW_MS = 60_000
KEYS = [shard << 58 | i * 7 + 1 for shard in (0, 1, 63) for i in range(5)]
NAMESPACES = [Namespace.WORD, Namespace.BIGRAM, Namespace.HASHTAG]
EN, DE = language_code("en"), language_code("de")
FIVE_MINUTES, HOUR, DAY, WEEK = range(4)


def rows_of(counted: dict[tuple[int, int], int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The columns of a window, by key, then language."""
    rows = sorted(counted)
    return (
        np.array([key for key, _ in rows], np.uint64),
        np.array([language for _, language in rows], np.uint16),
        np.array([NAMESPACES[key % 3] for key, _ in rows], np.uint8),
        np.array([counted[row] for row in rows], np.uint64),
    )


def decided(
    trends: Trends, elapsed: int, admitted: list[int], counted: dict[tuple[int, int], int], slots: int
) -> None:
    """One decision, as an owner has it made."""
    trends.fade(elapsed)
    trends.admit(np.array(sorted(admitted), np.uint64))
    trends.add(*rows_of(counted))
    trends.bound(SHARDS, slots)


WINDOWS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 1, 2, 60, 20_000]),
        st.sets(st.sampled_from(KEYS)),
        st.dictionaries(
            st.tuples(st.sampled_from(KEYS), st.sampled_from([EN, DE, UND])), st.integers(1, 9), max_size=12
        ),
    ),
    max_size=12,
)


@given(WINDOWS, st.sampled_from([1_000, WINDOW_MS, 86_400_000]), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_trends_equal_the_reference(windows, window_ms, slots):
    trends, reference = Trends(window_ms), ReferenceTrends(window_ms)
    for elapsed, admitted, counted in windows:
        decided(trends, elapsed, list(admitted), counted, slots)
        with_namespaces = {row: (NAMESPACES[row[0] % 3], count) for row, count in counted.items()}
        reference.decide(elapsed, admitted, with_namespaces, SHARDS, slots)
        rows = list(zip(trends.keys.tolist(), trends.languages.tolist(), strict=True))
        assert rows == sorted(reference.rows)
        assert trends.counts.T.tolist() == [reference.rows[row] for row in rows]
        single = trends.keys[trends.languages != ALL]
        assert (np.bincount(shard_of(single, SHARDS)) <= LANGUAGE_ROWS_PER_SLOT * slots).all()


def test_only_namespaces_that_people_read_have_rows_of_single_languages():
    trends = Trends(WINDOW_MS)
    word, bigram = 3, 4
    decided(trends, 1, [word, bigram], {(word, EN): 2, (word, DE): 1, (bigram, EN): 5}, 8)
    assert Namespace.BIGRAM not in SPELLED
    assert trends.keys.tolist() == [word, word, word, bigram]
    assert trends.languages.tolist() == [ALL, DE, EN, ALL]
    assert (trends.counts[HOUR] // ONE).tolist() == [3, 1, 2, 5]
    assert trends.totals()[HOUR].tolist() == [3 * ONE, 5 * ONE]


@given(
    st.lists(st.integers(0, 200), min_size=1, max_size=90),
    st.sampled_from(range(len(HORIZONS))),
    st.sampled_from([WINDOW_MS, 600_000, 86_400_000]),
)
@settings(max_examples=60, deadline=None)
def test_velocity_and_score_are_those_of_sums_over_windows(occurrences, horizon, window_ms):
    trends = Trends(window_ms)
    for count in occurrences:
        decided(trends, 1, [0], {(0, EN): count} if count else {}, 1)
    counts = trends.totals()
    velocities, scores = movements(counts, horizon, window_ms, len(occurrences))
    expected = movement(counts[:, 0].tolist(), horizon, window_ms, len(occurrences))
    rounding = 1e-5 * max(occurrences) * 3_600_000 / window_ms  # of the factors of decay, in shares of the rate
    assert (velocities[0], scores[0]) == pytest.approx(expected, rel=1e-4, abs=1e-9 + rounding)


def of_counts(series: dict[str, list[int]]) -> tuple[np.ndarray, int]:
    """(counts in order of the names, windows) of tokens with so many occurrences in each window."""
    trends, names = Trends(WINDOW_MS), sorted(series)
    windows = len(series[names[0]])
    for window in range(windows):
        decided(
            trends,
            1,
            list(range(len(names))),
            {(i, EN): n for i, k in enumerate(names) if (n := series[k][window])},
            64,
        )
    return trends.totals(), windows


def test_a_steady_token_has_no_velocity_in_a_vocabulary_of_any_age():
    for windows in (1, 10, 300):
        counts, _ = of_counts({"steady": [10] * windows})
        for horizon in range(len(HORIZONS)):
            velocities, scores = movements(counts, horizon, WINDOW_MS, windows)
            assert velocities[0] == pytest.approx(0.0, abs=600 * 2**-16)
            assert scores[0] == pytest.approx(0.0, abs=1e-3)


def test_a_new_token_has_its_rate_and_one_that_stopped_the_opposite():
    hours = 60 * 24
    counts, windows = of_counts({"new": [0] * hours + [10] * 30, "old": [10] * hours + [0] * 30})
    velocities, _ = movements(counts, FIVE_MINUTES, WINDOW_MS, windows)
    within_an_hour = 1 - np.exp(-0.5)  # the share of the last hour's weights that half an hour has
    assert velocities == pytest.approx([600 * (1 - within_an_hour), -600 * (1 - within_an_hour)], rel=0.02)
    velocities, _ = movements(counts, HOUR, WINDOW_MS, windows)
    assert velocities[0] > 200
    assert velocities[1] < -200


def test_a_token_seen_twice_does_not_top_the_list():
    counts, windows = of_counts(
        {"burst": [0] * 500 + [4] * 20, "twice": [0] * 519 + [2], "big": [100] * 500 + [120] * 20}
    )
    scores = movements(counts, HOUR, WINDOW_MS, windows)[1]
    burst_is_1, big_is_0, twice_is_2 = scores[1], scores[0], scores[2]
    assert burst_is_1 > big_is_0 > twice_is_2
    assert 0 < twice_is_2 <= 1.0


def test_languages_are_chosen_by_their_counts_then_by_number():
    trends = Trends(WINDOW_MS)
    assert commonest_languages(trends, 2) == ([], True)
    decided(trends, 1, [3, 6], {(3, EN): 2, (6, EN): 2, (3, DE): 4, (3, UND): 5}, 8)
    assert commonest_languages(trends, 2) == ([UND, DE], False)
    assert commonest_languages(trends, 3) == ([UND, DE, EN], True)


def test_a_dropped_row_of_a_language_leaves_the_sum_over_languages_exact():
    trends = Trends(WINDOW_MS)
    languages = {language_code(tag): n for n, tag in enumerate(("aa", "bb", "cc"), 1)}
    decided(trends, 1, [3], {(3, code): n for code, n in languages.items()}, 1)
    assert trends.languages.tolist() == [ALL, language_code("bb"), language_code("cc")]
    assert trends.totals()[WEEK].tolist() == [6 * ONE]
    assert trends.counts.shape == (len(SPANS_MS), 3)

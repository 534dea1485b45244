"""Drift as numbers: what it is of counts that are known, and that no order of anything changes it."""

from collections import Counter
from math import log2, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocab.namespaces import Namespace
from vocab.trends.drift import NAMESPACES, Drift, jensen_shannon
from vocab.trends.measures import together

WINDOW_MS = 60_000
KEYS = list(range(1, 9))
COUNTS = st.lists(st.integers(0, 2**40), min_size=1, max_size=30).filter(any)


def namespace_of(key: int) -> int:
    return key % 3


def columns(counts: dict[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A window's counts as an owner has them."""
    keys = sorted(counts)
    return (
        np.array(keys, np.uint64),
        np.array([namespace_of(key) for key in keys], np.uint8),
        np.array([counts[key] for key in keys], np.uint64),
    )


def decided(drift: Drift, window: int, admitted: set[int], counts: dict[int, int] | None, elapsed: int = 1) -> None:
    """One decision, as an owner has it measured."""
    drift.pass_time(elapsed)
    if counts is not None:
        drift.measure_outside(*columns(counts))
    keys = sorted(admitted)
    drift.admit(np.array(keys, np.uint64), np.array([namespace_of(key) for key in keys], np.uint8))
    if counts is not None:
        drift.count(window, *columns(counts))


def reference_distance(one: list[float], other: list[float]) -> float:
    """The definition, one term at a time."""
    p, q = [x / sum(one) for x in one], [x / sum(other) for x in other]
    terms = [a * log2(2 * a / (a + b)) for a, b in [*zip(p, q, strict=True), *zip(q, p, strict=True)] if a]
    return sqrt(max(sum(terms) / 2, 0.0))


@given(COUNTS, COUNTS)
def test_the_distance_is_that_of_the_definition_and_a_metric(one, other):
    wide = max(len(one), len(other))
    one, other = one + [0] * (wide - len(one)), other + [0] * (wide - len(other))
    a, b = np.array(one, np.uint64), np.array(other, np.uint64)
    found = jensen_shannon(a, b)
    assert found == pytest.approx(reference_distance(one, other), abs=1e-7)
    assert found == jensen_shannon(b, a)
    assert 0 <= found <= 1
    assert jensen_shannon(a, a) == 0
    assert jensen_shannon(a, 3 * b) == pytest.approx(found, abs=1e-7)
    nothing = np.zeros_like(a)
    assert jensen_shannon(np.concatenate([a, nothing]), np.concatenate([nothing, b])) == pytest.approx(1)


def distribution(counts: dict[int, int], admitted: set[int]) -> Counter[tuple[str, int]]:
    """Over the admitted keys, and the rest of each namespace."""
    cells: Counter[tuple[str, int]] = Counter()
    for key, count in counts.items():
        cells["key", key] += count if key in admitted else 0
        cells["rest", namespace_of(key)] += 0 if key in admitted else count
    return cells


WINDOWS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 7, 30, 200]),
        st.sets(st.sampled_from(KEYS)),
        st.one_of(st.none(), st.dictionaries(st.sampled_from(KEYS), st.integers(1, 9), max_size=6)),
    ),
    max_size=12,
)


@given(WINDOWS)
@settings(max_examples=150, deadline=None)
def test_measures_are_those_of_plain_counters(log):
    """A cell of a key that came or went since is what the definition says: its counts before are in the rest."""
    drift, window, admitted = Drift(WINDOW_MS), 100, set()
    cells: list[Counter[tuple[str, int]]] = []  # of each counted window, over the keys admitted now
    hours: dict[int, Counter[tuple[str, int]]] = {}
    for elapsed, wanted, counts in log:
        window += elapsed
        for key in admitted - wanted:
            for table in [*cells, *hours.values()]:
                table["rest", namespace_of(key)] += table.pop(("key", key), 0)
        outside = Counter(
            namespace_of(key) for key in (counts or {}) for _ in range(counts[key]) if key not in admitted
        )
        admitted = wanted
        decided(drift, window, admitted, counts, elapsed)
        measures = drift.measures(window - 99)
        if counts is not None:
            cells.append(distribution(counts, admitted))
            hours.setdefault(window // 60, Counter()).update(cells[-1])
            assert measures.outside.tolist() == [outside[namespace] for namespace in range(NAMESPACES)]
            assert measures.occurrences.sum() == sum(counts.values())
        past = [hours[hour] for hour in sorted(hours)[:-1]]
        assert measures.window_distance == pytest.approx(distance_of(cells), abs=1e-7)
        assert measures.hour_distance == pytest.approx(distance_of(past), abs=1e-7)
        assert measures.admitted == len(admitted)


def distance_of(tables: list[Counter[tuple[str, int]]]) -> float | None:
    """Of the last two; None before there are two that hold anything."""
    if len(tables) < 2 or not all(sum(table.values()) for table in tables[-2:]):
        return None
    names = sorted(tables[-1].keys() | tables[-2].keys())
    one, other = ([float(table[name]) for name in names] for table in tables[-2:])
    return reference_distance(one, other)


def test_turnover_is_admissions_and_evictions_an_hour_for_each_admitted_key():
    drift = Drift(WINDOW_MS)
    decided(drift, 1, {1, 2, 3, 4}, {1: 1})
    for window in range(2, 1_500):  # one goes and one comes every ten minutes: twelve changes an hour
        decided(drift, window, {1, 2, 3, 4 + window // 10}, {1: 1})
    measures = drift.measures(1_499)
    assert measures.changes_an_hour == pytest.approx(12, rel=0.1)
    assert measures.turnover == pytest.approx(3, rel=0.1)
    for window in range(1_500, 1_560):
        decided(drift, window, {1, 2, 3, 4}, None)
    faded = drift.measures(1_559).changes_an_hour
    assert faded == pytest.approx(14 * np.exp(-1), rel=0.15)  # an hour later, and the two of the return home


def test_what_is_outside_is_told_by_namespace_and_by_the_vocabulary_before_the_window():
    drift = Drift(WINDOW_MS)
    hashtag, word = int(Namespace.HASHTAG), int(Namespace.WORD)
    tag, go = next(k for k in KEYS if namespace_of(k) == hashtag), next(k for k in KEYS if namespace_of(k) == word)
    decided(drift, 1, {tag}, {tag: 3, go: 1})
    assert drift.measures(1).outside_shares() == {Namespace.HASHTAG: 1.0, Namespace.WORD: 1.0}
    decided(drift, 2, {tag}, {tag: 3, go: 1})
    assert drift.measures(2).outside_shares() == {Namespace.HASHTAG: 0.0, Namespace.WORD: 1.0}


def test_owners_together_are_sums_and_means_by_occurrences():
    one, other, silent = Drift(WINDOW_MS), Drift(WINDOW_MS), Drift(WINDOW_MS)
    for window, (first, second) in enumerate([(1, 2), (1, 3)], 1):
        decided(one, window, {1, 2}, {first: 30})
        decided(other, window, {3, 4, 5}, {second + 1: 10})
    measures = together([drift.measures(2) for drift in (one, other, silent)])
    assert measures.admitted == 5
    assert measures.occurrences.sum() == 40
    assert measures.window_distance == pytest.approx((0 * 30 + 1 * 10) / 40)
    assert measures.hour_distance is None
    assert together([silent.measures(1)]).window_distance is None

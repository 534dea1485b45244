"""The study of drift measures what it says: its exact counter, sharing of rows and recall, against slow ones."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.vocab_drift.__main__ import batches, read
from benchmarks.vocab_drift.exact import ExactCounter, KeyTable
from benchmarks.vocab_drift.figures import figures, recall
from benchmarks.vocab_drift.memory import bytes_of
from benchmarks.vocab_drift.plot import plot
from benchmarks.vocab_drift.report import as_markdown
from benchmarks.vocab_drift.rows import Hashing, TwoHashes
from benchmarks.vocab_drift.study import RULES, Study
from contracts.records import Tweet
from contracts.settings import VocabSettings
from tests.support.data_files import data_file
from vocab.namespaces import Namespace
from vocab.tokens.tokenizer import Tokenizer

HALF_LIFE = 3.0
KEYS = st.integers(0, 2**64 - 1)
WINDOWS = st.lists(
    st.tuples(st.integers(1, 6), st.dictionaries(st.integers(0, 12), st.integers(1, 6), min_size=1)), max_size=12
)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.sets(st.one_of(KEYS, st.integers(0, 30))), max_size=20))
def test_keys_are_numbered_by_first_occurrence(calls: list[set[int]]) -> None:
    table, numbers = KeyTable(), dict[int, int]()
    for keys in calls:
        found = table.number(np.array(sorted(keys), np.uint64)).tolist()
        assert found == [numbers.setdefault(key, len(numbers)) for key in sorted(keys)]
    assert table.keys.tolist() == list(numbers)


def test_more_keys_than_the_first_table_holds_are_numbered() -> None:
    keys = np.arange(20_000, dtype=np.uint64) * np.uint64(7)
    table = KeyTable()
    for part in np.split(keys, 50):
        table.number(part)
    assert (table.number(keys[::-1]) == np.arange(20_000)[::-1]).all()


@settings(deadline=None)
@given(WINDOWS)
def test_exact_counter_is_the_slow_one(steps: list[tuple[int, dict[int, int]]]) -> None:
    exact = ExactCounter(5.0, 1.0, HALF_LIFE)
    counts: dict[int, float] = {}
    live, admitted = set[int](), set[int]()
    window = 0
    for gap, occurrences in steps:
        for i in range(gap):  # one window after the other
            window += 1
            counts = {key: count * 0.5 ** (1 / HALF_LIFE) for key, count in counts.items()}
            for key, more in occurrences.items() if i == gap - 1 else ():
                counts[key] = counts.get(key, 0.0) + more
            live = {key for key, count in counts.items() if count >= 1 - 1e-9}
            admitted = {key for key in live if key in admitted or counts[key] >= 5 - 1e-9}
        keys = sorted(occurrences)
        observed = exact.observe(window, np.array(keys, np.uint64), np.array([occurrences[key] for key in keys]))
        exact.admit(observed)
        assert observed.after == pytest.approx([counts[key] for key in keys])
        numbered = exact.keys.keys
        assert set(numbered[exact.live].tolist()) == set(numbered[exact.live_rows].tolist()) == live
        assert set(numbered[exact.admitted].tolist()) == admitted


@pytest.mark.parametrize("kind", [Hashing, TwoHashes])
def test_sharing_of_hashed_rows_is_counted_right(kind: type[Hashing] | type[TwoHashes]) -> None:
    exact, method = ExactCounter(5.0, 1.0, HALF_LIFE), kind(VocabSettings.uniform(capacity=0, rare_slots=6))
    generator = np.random.default_rng(3)
    for window in range(1, 60):
        keys = np.unique(generator.integers(0, 200, 12).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        known = len(exact.keys)
        observed = exact.observe(window, keys, np.ones(len(keys), np.int64))
        method.add_keys(exact.keys.keys[known:])
        method.update(observed)
        rows = {key: _rows_of(kind, int(key), method.rows) for key in exact.keys.keys.tolist()}
        live = [rows[key] for key in exact.keys.keys[exact.live].tolist()]
        everyone = list(rows.values())
        sharing = method.sharing(observed.rows)
        for i, key in enumerate(keys.tolist()):
            mine = rows[key]
            others = [sum(row in other for other in live) - 1 for row in mine]
            assert sharing.others[i] == np.mean(others)
            assert sharing.each_alone[i] == (max(others) == 0)
            assert sharing.alone[i] == (sum(set(other) == set(mine) for other in live) == 1)
            assert sharing.clean[i] == all(sum(row in other for other in everyone) == 1 for row in mine)


def _rows_of(kind: type, key: int, rows: int) -> tuple[int, ...]:
    if kind is Hashing:
        return (key % rows,)
    mixed = (key ^ key >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    mixed ^= mixed >> 31
    return key % rows, (key + 1 + mixed % (rows - 1)) % rows


def test_recall_counts_from_the_occurrence_that_crossed_to_the_end_of_the_window() -> None:
    minute = 60_000
    first = np.array([10, 10, 12, -1])  # admitted at the ends of these windows, of ten minutes each
    crossed_in = np.array([10, 10, 10, 10])
    crossed_at = np.array([109, 105, 105, 100]) * minute
    found = recall(
        [np.array([0, 1]), np.array([2, 3]), np.array([], int)], crossed_at, crossed_in, first, 10 * minute
    )
    assert found.same_window == 0.5
    assert found.within == {1: 0.25, 2: 0.25, 5: 0.5, 15: 0.5, 60: 0.75, 1440: 0.75}  # 1, 5, 25 minutes, and never
    assert found.median_minutes == 15
    assert found.by_month == [1.0, 0.0, None]


def test_bytes_of_counts_buffers_once() -> None:
    array = np.zeros(1_000, np.int64)
    assert 8_000 <= bytes_of({"whole": array, "half": array[:500], "again": array}) < 9_000


@pytest.mark.slow
@pytest.mark.data
def test_a_slice_of_real_tweets(tmp_path: Path) -> None:
    tweets = list(read(data_file("ira_en_public.csv.zst"), "2014-11", None, 6_000))
    window_ms = 3_600_000
    study = Study([1 << 17, 1 << 13], window_ms, build_tweets=1_000)
    for batch in batches(tweets, window_ms):
        study.feed(batch)
    study.finish()
    found = figures(study)
    assert (found.tweets, found.built_in, found.months) == (6_000, "2014-11", ["2014-12", "2015-01"])

    tops, crossed_at = _slow_truth(tweets, window_ms)
    keys = study.exact.keys.keys
    for month, top in zip(study.months, tops[1:], strict=True):
        rows = study.tags.top(month)
        assert keys[rows].tolist() == top
        assert [study.tags.crossed_at[row] for row in rows] == [crossed_at.get(key, -1) for key in top]
    assert found.crossed == sum(key in crossed_at for top in tops[1:] for key in top) > 10

    for method in found.methods:
        if method.method in ("Driftline", "exact"):
            assert method.recall is not None
            assert method.admitted is not None
            assert method.recall.same_window == method.recall.within[60] == 1
            assert method.admitted.hashtags > 20
            assert method.admitted.false_keys == 0
            assert method.tags_alone == method.tags_clean == 1
            assert method.own <= method.alone
    assert as_markdown(found).count("| Driftline |") == 2
    for name in ("one.svg", "two.svg"):
        plot(found, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def _slow_truth(tweets: list[Tweet], window_ms: int) -> tuple[list[list[int]], dict[int, int]]:
    """(top new hashtags by month, key -> time at which it crossed in its first month), one occurrence at a time."""
    default, tokenizer = RULES, Tokenizer()
    left = 0.5 ** (window_ms / (default.half_life_windows * 60_000))
    first_month, by_month = dict[int, str](), defaultdict[str, Counter[int]](Counter)
    counts, last, crossed_at = dict[int, float](), dict[int, int](), dict[int, int]()
    for tweet in tweets:
        tokens = tokenizer.tokenize([tweet])
        window = tweet.created_ms // window_ms
        month = str(np.datetime64(tweet.created_ms, "ms"))[:7]
        for key in tokens.keys[tokens.namespaces == Namespace.HASHTAG].tolist():
            by_month[month][key] += 1
            counts[key] = counts.get(key, 0.0) * left ** (window - last.get(key, window)) + 1
            last[key] = window
            if first_month.setdefault(key, month) == month and counts[key] >= default.admit_at - 1e-9:
                crossed_at.setdefault(key, tweet.created_ms)
    tops = [
        sorted((key for key in found if first_month[key] == month), key=lambda key: (-found[key], key))[:100]
        for month, found in sorted(by_month.items())
    ]
    return tops, crossed_at

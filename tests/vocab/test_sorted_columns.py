"""Columns that grow and shrink in place hold what dictionaries would; decay and counts are those of
`vocab/decay.py`."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadRecord
from contracts.settings import VocabSettings
from tests.support.vocab_owner_logs import frame
from vocab import decay
from vocab.keys import SHARDS
from vocab.owner.owner import VocabularyOwner
from vocab.owner.tracked_keys import MAX_WINDOW, TrackedKeys
from vocab.rules import Rules
from vocab.sorted_columns import SortedColumns

Rows = dict[int, tuple[int, ...]]

KEYS = st.one_of(st.integers(0, 60), st.integers(2**64 - 60, 2**64 - 1))
WINDOWS = st.lists(st.tuples(st.dictionaries(KEYS, st.integers(1, 2**33), max_size=40), st.sets(KEYS)), max_size=6)
LEFT = np.array([decay.factor(3.0, 1), decay.factor(50.0, 1), 0], np.uint64)


def rows_of(tracked: TrackedKeys) -> Rows:
    names = ("namespaces", "counts", "first_seen", "last_seen", "slots")
    columns = [tracked.column(name).tolist() for name in names]
    return dict(zip(tracked.keys.tolist(), zip(*columns, strict=True), strict=True))


def expected_after(rows: Rows, counts: dict[int, int], window: int) -> Rows:
    after: Rows = {}
    for key in rows.keys() | counts.keys():
        kind, count, first, last, slot = rows.get(key, (key % 3, 0, window, window, -1))
        count = decay.decay_one(count, int(LEFT[kind]))
        if key in counts:
            count, last = decay.add_one(count, counts[key]), window
        after[key] = (kind, count, first, last, slot)
    return after


@given(WINDOWS)
@settings(max_examples=100, deadline=None)
def test_windows_leave_what_dictionaries_would_hold(log):
    tracked = TrackedKeys.none()
    rows: Rows = {}
    for window, (counts, gone) in enumerate(log, start=MAX_WINDOW - 6):
        rows = expected_after(rows, counts, window)
        keys = np.array(sorted(counts), np.uint64)
        occurrences = np.array([counts[key] for key in sorted(counts)], np.uint64)
        tracked.fade(LEFT)
        tracked.add(keys, (keys % 3).astype(np.uint8), occurrences, window)
        assert rows_of(tracked) == rows
        assert tracked.keys.tolist() == sorted(rows)
        tracked.keep(np.array([key not in gone for key in tracked.keys.tolist()], bool))
        rows = {key: row for key, row in rows.items() if key not in gone}
        assert rows_of(tracked) == rows


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.sampled_from(LEFT.tolist()), st.integers(0, 2**64 - 1))
@settings(max_examples=100, deadline=None)
def test_decay_and_sums_are_those_of_the_columns_way(counts, left, occurrences):
    tracked = TrackedKeys.none()
    keys = np.arange(len(counts), dtype=np.uint64)
    tracked.add(keys, np.zeros(len(keys), np.uint8), np.zeros(len(keys), np.uint64), 1)
    tracked.counts[:] = np.array(counts, np.uint64)
    tracked.fade(np.array([left], np.uint64))
    faded = decay.decay(np.array(counts, np.uint64), left)
    assert tracked.counts.tolist() == faded.tolist()
    more = np.full(len(keys), occurrences, np.uint64)
    tracked.add(keys, np.zeros(len(keys), np.uint8), more, 2)
    assert tracked.counts.tolist() == decay.add(faded, more).tolist()


@given(st.integers(0, 400), st.integers(0, 400), st.floats(0, 1), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_rows_that_come_and_go_move_the_others_as_they_stand(held, coming, kept, seed):
    rng = np.random.default_rng(seed)
    numbers = np.arange(held, dtype=np.uint64)
    columns = SortedColumns({"keys": numbers, "small": numbers.astype(np.uint8)})
    at = np.sort(rng.integers(0, held + 1, coming))
    fresh = np.arange(1_000, 1_000 + coming, dtype=np.uint64)
    columns.insert(at, {"keys": fresh, "small": fresh.astype(np.uint8)})
    expected = np.insert(np.arange(held, dtype=np.uint64), at, fresh)
    stays = rng.random(len(expected)) < kept
    for rows in (np.ones(len(expected), bool), stays):
        columns.keep(rows)
        expected = expected[rows]
        assert columns.column("keys").tolist() == expected.tolist()
        assert columns.column("small").tolist() == expected.astype(np.uint8).tolist()


TRACKED = st.lists(
    st.tuples(
        KEYS,
        st.sampled_from(range(3)),
        st.integers(0, 2**35) | st.just(0),
        st.integers(90, 100),
        st.sampled_from([-1, -1, 7]),
    ),
    max_size=40,
    unique_by=lambda row: row[0],
)


@given(TRACKED, st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_a_survey_names_what_a_decision_has_to_look_at(rows, elapsed):
    rows.sort()
    tracked = TrackedKeys.none()
    keys, kinds, counts, seen, slots = (list(column) for column in zip(*rows, strict=True)) if rows else [[]] * 5
    tracked.add(np.array(keys, np.uint64), np.array(kinds, np.uint8), np.zeros(len(rows), np.uint64), 1)
    tracked.counts[:], tracked.last_seen[:], tracked.slots[:] = counts, seen, slots
    rules = [Rules(slots, kept, 5 << 32, 1 << 32, 0, 3.0, 4) for slots, kept in ((1, 0), (2, 3), (0, 40))]
    left = [decay.factor(3.0, elapsed)] * len(rules)
    survey = tracked.survey(np.array(left, np.uint64), 4, 101, rules)
    waiting, holding = tracked.crowded(4, rules)
    faded = [decay.decay_one(count, left[0]) for count in counts]
    assert tracked.counts.tolist() == faded
    assert survey.spent.tolist() == [count == 0 and slot < 0 for count, slot in zip(faded, slots, strict=True)]
    for group in range(4 * len(rules)):
        shard, kind = divmod(group, len(rules))
        mine = [row for row in range(len(rows)) if keys[row] >> 62 == shard and kinds[row] == kind]
        silent = dict(zip(mine, tracked.silent(np.array(mine, np.int64), 101, 4).tolist(), strict=True))
        assert silent == {row: 101 - seen[row] >= 4 for row in mine}
        come = [row for row in mine if slots[row] < 0 and faded[row] >= 5 << 32 and not silent[row]]
        go = [row for row in mine if slots[row] >= 0 and (faded[row] < 1 << 32 or silent[row])]
        assert survey.moving[group] == bool(come or go)
        held = sum(slots[row] >= 0 for row in mine)
        assert holding[group] == (held > rules[kind].per_shard)
        assert waiting[group] == (len(mine) - held > rules[kind].kept)


def test_memory_follows_the_keys():
    rng = np.random.default_rng(2)
    keys = np.unique(rng.integers(0, 2**64, 50_000, dtype=np.uint64))
    tracked = TrackedKeys.none()
    for part in range(4):
        some: Any = keys[part::4]
        tracked.add(some, np.zeros(len(some), np.uint8), np.ones(len(some), np.uint64), 1)
    bytes_a_key = 8 + 1 + 8 + 4 + 4 + 4
    assert bytes_a_key <= tracked.nbytes / len(keys) <= bytes_a_key * 65 / 64
    tracked.keep(np.arange(len(keys)) < 1_000)
    assert tracked.nbytes == 1_000 * bytes_a_key


def test_a_window_that_fits_no_column_is_refused():
    owner = VocabularyOwner.begin(VocabSettings(), range(SHARDS), frozenset({("tweets", 0)}))
    with pytest.raises(BadRecord, match="window"):
        owner.observe(frame(("tweets", 0), MAX_WINDOW + 1, {1: 1}, 0))

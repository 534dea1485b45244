"""Counters and histories: any order and batching of the updates ends in the bytes that a plain rule predicts."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import Codec, serialize
from contracts.columnar import AUTHOR, COUNTERS, ENTITY_KINDS, PAIR, TWEET, VIEWER, FeatureUpdates
from contracts.records import ACTIONS, Action
from featurestore.features import HISTORY
from featurestore.store.counters import (
    aggregate_engagements,
    aggregate_posts,
    fold_counters,
    fold_history,
    recent,
    route,
)
from featurestore.store.redis_layout import COUNTERS_RECORD, HISTORY_RECORD, owner_of, pair_of
from tests.support.installation import PARTITIONS

PANE_MS = 1_000

updates = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 6), st.lists(st.integers(0, 2**31), min_size=8, max_size=8)),
    max_size=20,
)
engagements = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 60), st.integers(0, 30)), max_size=60)


def fold_in_batches(rows, batches, states):
    begin = 0
    for end in sorted({*batches, len(rows)}):
        part = rows[begin:end]
        if part:
            index, panes, counts = zip(*part, strict=True)
            states = fold_counters(
                states, np.array(index), np.array(panes, np.uint32), np.array(counts, np.uint32),
                np.arange(begin + 1, end + 1, dtype=np.uint64),
            )  # fmt: skip
        begin = end
    return states


@settings(deadline=None)
@given(updates, st.randoms(use_true_random=False), st.lists(st.integers(0, 20)))
def test_any_order_and_batching_of_updates_gives_the_same_counters(rows, random, batches):
    once = fold_in_batches(rows, [], np.zeros(3, COUNTERS_RECORD))
    shuffled = random.sample(rows, len(rows))
    other = fold_in_batches(shuffled, [b for b in batches if b < len(rows)], np.zeros(3, COUNTERS_RECORD))
    once["version"] = other["version"]  # the versions are places in the log, and that is what was shuffled
    assert once.tobytes() == other.tobytes()


@settings(deadline=None)
@given(updates, st.lists(st.integers(0, 20)))
def test_batching_alone_leaves_even_the_versions_alike(rows, batches):
    once = fold_in_batches(rows, [], np.zeros(3, COUNTERS_RECORD))
    assert once.tobytes() == fold_in_batches(rows, batches, np.zeros(3, COUNTERS_RECORD)).tobytes()


@settings(deadline=None)
@given(updates)
def test_the_fold_is_the_sum_by_pane(rows):
    states = fold_in_batches(rows, [], np.zeros(3, COUNTERS_RECORD))
    for entity in range(3):
        own = [(pane, np.array(counts, np.int64)) for i, pane, counts in rows if i == entity]
        newest = max((pane for pane, _ in own), default=0)
        zero = np.zeros(8, np.int64)
        limit = 2**32 - 1
        assert states[entity]["pane"] == newest
        assert (states[entity]["totals"] == np.minimum(sum((c for _, c in own), zero), limit)).all()
        current = sum((c for pane, c in own if pane == newest), zero)
        previous = sum((c for pane, c in own if pane == newest - 1), zero)
        assert (states[entity]["current"] == np.minimum(current, limit)).all()
        assert (states[entity]["previous"] == np.minimum(previous, limit)).all()


@settings(deadline=None)
@given(updates)
def test_a_frame_that_is_already_in_changes_nothing(rows):
    states = fold_in_batches(rows, [], np.zeros(3, COUNTERS_RECORD))
    assert fold_in_batches(rows, [], states).tobytes() == states.tobytes()


def fold_histories(rows, batches, size=2):
    states, begin = np.zeros(size, HISTORY_RECORD), 0
    for end in sorted({*(b for b in batches if b < len(rows)), len(rows)}):
        part = rows[begin:end]
        if part:
            index, times, tweets = (np.array(column) for column in zip(*part, strict=True))
            versions = np.arange(begin + 1, end + 1, dtype=np.uint64)
            states = fold_history(states, index, times.astype(np.int64), tweets.astype(np.uint64), versions)
        begin = end
    return states


@settings(deadline=None)
@given(engagements, st.randoms(use_true_random=False), st.lists(st.integers(0, 60)))
def test_a_history_is_the_newest_tweets_each_once_in_any_order(rows, random, batches):
    states = fold_histories(random.sample(rows, len(rows)), batches)
    for viewer in range(2):
        newest: dict[int, int] = {}
        for who, at, tweet in rows:
            if who == viewer:
                newest[tweet] = max(newest.get(tweet, 0), at)
        expected = sorted(((at, tweet) for tweet, at in newest.items()), reverse=True)[:HISTORY]
        some = states[viewer]["at_ms"] > 0
        found = zip(states[viewer]["at_ms"][some].tolist(), states[viewer]["tweets"][some].tolist(), strict=True)
        assert list(found) == expected


def columns(rows):
    viewers, tweets, authors, actions, times = zip(*rows, strict=True)
    return (
        np.array(viewers, np.uint64), np.array(tweets, np.uint64), np.array(authors, np.uint64),
        np.array([ACTIONS.index(action) for action in actions], np.uint8), np.array(times, np.int64),
    )  # fmt: skip


def as_counter(frame: FeatureUpdates):
    found: Counter[tuple[str, int, int, str]] = Counter()
    counts = frame.counts.reshape(-1, len(COUNTERS))
    for i, row in enumerate(counts.tolist()):
        for name, count in zip(COUNTERS, row, strict=True):
            if count:
                found[ENTITY_KINDS[frame.kinds[i]], int(frame.entities[i]), int(frame.panes[i]), name] += count
    return found


def test_an_engagement_counts_for_its_tweet_author_viewer_and_pair():
    rows = [
        (1, 10, 7, Action.SEEN, 500), (1, 10, 7, Action.LIKE, 1_500), (2, 10, 7, Action.LIKE, 1_600),
        (2, 11, 7, Action.BLOCK, 1_700), (2, 11, 7, Action.DWELL, 1_800), (1, 10, 7, Action.REPLY, 1_900),
    ]  # fmt: skip
    frame = aggregate_engagements(*columns(rows), PANE_MS)
    pair = [int(pair_of(np.array([v], np.uint64), np.array([7], np.uint64))[0]) for v in (1, 2)]
    assert as_counter(frame) == {
        ("tweet", 10, 0, "seen"): 1, ("author", 7, 0, "seen"): 1, ("viewer", 1, 0, "seen"): 1,
        ("pair", pair[0], 0, "seen"): 1,
        ("tweet", 10, 1, "like"): 2, ("author", 7, 1, "like"): 2, ("viewer", 1, 1, "like"): 1,
        ("viewer", 2, 1, "like"): 1, ("pair", pair[0], 1, "like"): 1, ("pair", pair[1], 1, "like"): 1,
        ("tweet", 10, 1, "reply"): 1, ("author", 7, 1, "reply"): 1, ("viewer", 1, 1, "reply"): 1,
        ("pair", pair[0], 1, "reply"): 1,
        ("tweet", 11, 1, "negative"): 1, ("author", 7, 1, "negative"): 1, ("viewer", 2, 1, "negative"): 1,
        ("pair", pair[1], 1, "negative"): 1,
    }  # fmt: skip
    history = zip(
        frame.history_viewers.tolist(), frame.history_at_ms.tolist(), frame.history_tweets.tolist(), strict=True
    )
    assert sorted(history) == [(1, 1_900, 10), (2, 1_600, 10)]


def test_no_engagement_aggregates_to_no_rows_and_travels():
    nothing = aggregate_engagements(
        np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.uint8),
        np.empty(0, np.int64), PANE_MS,
    )  # fmt: skip
    assert route(nothing, PARTITIONS) == []
    assert len(Codec(FeatureUpdates).deserialize(serialize(nothing)).kinds) == 0


def test_every_row_reaches_the_one_owner_of_its_entity():
    posts = aggregate_posts(np.arange(1_000, dtype=np.uint64), np.full(1_000, 5_000, np.int64), PANE_MS)
    routed = route(posts, PARTITIONS)
    assert [owner for owner, _ in routed] == list(range(PARTITIONS))
    for owner, frame in routed:
        assert (owner_of(frame.entities, PARTITIONS) == owner).all()
        assert (frame.kinds == AUTHOR).all()
        assert 200 < len(frame.entities) < 300  # evenly
    together = np.concatenate([frame.entities for _, frame in routed])
    assert sorted(together.tolist()) == list(range(1_000))


@pytest.mark.parametrize(
    ("at_ms", "expected"),
    [(5_000, 10 + 4), (5_250, 10 + 3), (5_999, 10 + 0.004), (6_500, 5), (7_000, 0), (4_000, 14)],
)
def test_recent_counts_slide_out(at_ms, expected):
    state = np.zeros(1, COUNTERS_RECORD)
    state["pane"], state["current"][:, 0], state["previous"][:, 0] = 5, 10, 4
    assert recent(state, np.array([at_ms]), PANE_MS)[0, 0] == pytest.approx(expected)


def test_kinds_are_numbered_as_on_the_wire():
    assert (TWEET, AUTHOR, VIEWER, PAIR) == (0, 1, 2, 3)

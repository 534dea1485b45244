"""What of a request depends on its time, by hand: what past engagements still count for, and the clock."""

import numpy as np
import pytest

from featurestore.features import HISTORY_FADES_MS
from featurestore.store.feature_columns import StoreRows, columns_of
from featurestore.store.redis_layout import COUNTERS_RECORD, HISTORY_RECORD, TWEET

DAY_MS = 86_400_000
NOW = 20_000 * DAY_MS
AUTHOR, TAG = 1 << 40, 1 << 41  # keys of tweet t: AUTHOR + t and t hashtags, TAG + 10 * t onwards


def past_tweets(count: int) -> np.ndarray:
    tweets = np.zeros(count, TWEET)
    for t in range(count):
        tweets[t]["id"], tweets[t]["hashtags"], tweets[t]["lengths"] = 100 + t, t, (0, t, 1)
        tweets[t]["keys"][: t + 1] = [*(TAG + 10 * t + i for i in range(t)), AUTHOR + t]
    return tweets


def found(at_ms: list[int], histories: list[list[tuple[int, int]]], known: int = 4) -> StoreRows:
    """Viewers without candidates; of each, (tweet, when it was engaged with), newest first."""
    records = np.zeros(len(at_ms), HISTORY_RECORD)
    for record, history in zip(records, histories, strict=True):
        for place, (tweet, engaged_ms) in enumerate(history):
            record["tweets"][place], record["at_ms"][place] = 100 + tweet, engaged_ms
    nothing = np.zeros(0, COUNTERS_RECORD)
    return StoreRows(
        at_ms=np.array(at_ms, np.int64), viewer_ids=np.arange(len(at_ms), dtype=np.uint64),
        viewers=np.zeros(len(at_ms), COUNTERS_RECORD), histories=records, past_tweets=past_tweets(known),
        viewer_row=np.empty(0, np.int64), tweets=np.zeros(0, TWEET), tweet_counts=nothing, author_counts=nothing,
        pair_counts=nothing,
    )  # fmt: skip


def test_an_engagement_fades_with_its_age_for_all_of_its_keys():
    ages = {2: 0, 1: HISTORY_FADES_MS, 3: 7 * DAY_MS}
    history = columns_of(found([NOW, NOW], [[], [(t, NOW - age) for t, age in ages.items()]]), DAY_MS).viewer_keys[
        "history"
    ]
    assert history.lengths.tolist() == [0, 3 + 2 + 4]
    expected = [(AUTHOR + 2, 1), (TAG + 20, 1), (TAG + 21, 1), (AUTHOR + 1, 1 / 2), (TAG + 10, 1 / 2),
                (AUTHOR + 3, 1 / 8), (TAG + 30, 1 / 8), (TAG + 31, 1 / 8), (TAG + 32, 1 / 8)]  # fmt: skip
    assert list(zip(history.ids.tolist(), history.weights.tolist(), strict=True)) == expected


def test_an_engagement_ahead_of_the_request_counts_as_one_of_now():
    history = columns_of(found([NOW], [[(0, NOW + DAY_MS), (1, NOW)]]), DAY_MS).viewer_keys["history"]
    assert history.weights.tolist() == [1, 1, 1]


@pytest.mark.parametrize("known", [0, 4], ids=["nothing known", "no history"])
def test_a_history_of_nothing_has_values_all_the_same(known):
    history = columns_of(found([NOW], [[(9, NOW)]], known), DAY_MS).viewer_keys["history"]
    assert history.weights.dtype == np.float32
    assert history.lengths.tolist() == [0]


def test_the_clock_turns_once_a_day_and_once_a_week():
    times = [0, DAY_MS // 4, DAY_MS // 2, 7 * DAY_MS // 4, 7 * DAY_MS]
    clock = columns_of(found(times, [[]] * len(times)), DAY_MS).viewer_vectors["clock"]
    assert clock.dtype == np.float32
    assert clock[[0, 1, 2, 4], :2] == pytest.approx(np.array([[0, 1], [1, 0], [0, -1], [0, 1]]), abs=1e-7)
    assert clock[[0, 3, 4], 2:] == pytest.approx(np.array([[0, 1], [1, 0], [0, 1]]), abs=1e-7)
    assert np.hypot(clock[:, ::2], clock[:, 1::2]) == pytest.approx(1)


def test_ten_minutes_before_and_after_midnight_are_near_on_the_clock():
    late, early = columns_of(found([DAY_MS - 600_000, DAY_MS + 600_000], [[], []]), DAY_MS).viewer_vectors["clock"]
    assert np.abs(late - early).max() < 0.1

"""The study of bins measures what it says: labels, lags, encodings, learner and its figures, against slow ones."""

from argparse import Namespace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.bins_study.__main__ import TWO, make_stream
from benchmarks.bins_study.edges import RollingEdges, month_edges
from benchmarks.bins_study.encodings import (
    MOST_Z,
    FirstMonthBins,
    MaxNormalization,
    RollingBins,
    ZScores,
    all_encodings,
    signed_log,
)
from benchmarks.bins_study.learner import RATES, Learner, learn_slowly
from benchmarks.bins_study.plot import plot
from benchmarks.bins_study.report import as_markdown
from benchmarks.bins_study.run import first_window, mean_and_error, predict_then_learn, study
from benchmarks.bins_study.stream import (
    FEWEST,
    MONTH,
    QUARTILE,
    Stream,
    above_trailing_quartile,
    newest_before,
    oldest_after,
    slices,
    stream_of,
    tweets_within,
)
from benchmarks.bins_study.tweets import Table, retweets_stream
from benchmarks.bins_study.world import Counts, world_stream
from contracts.columns import MISSING, is_missing
from contracts.records import TimelineRequest, Tweet
from featurestore.features import CONTINUOUS, NUMBER, TWEET_COUNTED
from tests.support.data_files import data_file

pytestmark = pytest.mark.slow

FOLLOWERS = NUMBER["tweet.author_followers"]
EVENTS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=40)


def drifting(days: int, a_day: int, seed: int = 5) -> Stream:
    """Followers that double every ten days; the label is whether they are many of their day, mostly."""
    rng = np.random.default_rng(seed)
    windows = np.repeat(np.arange(1_000, 1_000 + days), a_day)
    spread = rng.normal(size=len(windows))
    columns = {
        "tweet.author_followers": np.exp(spread + windows / 14.4 - 60),
        "tweet.tag_count": rng.integers(0, 3, len(windows)),
    }
    labels = (spread + 0.5 * rng.normal(size=len(windows)) > 0.7).astype(np.float64)
    return stream_of("drifting", windows * 86_400_000, columns, labels, truth=None, delay=1)


@settings(deadline=None)
@given(EVENTS, st.integers(1, 10))
def test_lags_are_the_slow_ones(events: list[tuple[int, int]], gap: int) -> None:
    events.sort()
    times, authors = (np.array(column, np.int64) for column in zip(*events, strict=True))
    before, after = newest_before(times, authors, gap), oldest_after(times, authors, gap)
    within = tweets_within(times, authors, gap)
    for i, (time, author) in enumerate(events):
        own = [j for j in range(len(events)) if authors[j] == author]
        assert before[i] == max((j for j in own if times[j] <= time - gap), default=-1)
        assert after[i] == min((j for j in own if times[j] >= time + gap), default=-1)
        assert within[i] == sum(time - gap <= times[j] for j in own if j < i)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 3), st.integers(0, 2**32))
def test_labels_compare_with_the_month_before_and_no_later(delay: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    windows = np.sort(rng.integers(0, 60, 400))
    values = np.where(rng.random(400) < 0.1, np.nan, rng.integers(0, 9, 400).astype(np.float64))
    found = above_trailing_quartile(windows, values, delay)
    for window, value, label in zip(windows.tolist(), values.tolist(), found.tolist(), strict=True):
        past = [v for w, v in zip(windows, values, strict=True) if window - delay - MONTH <= w < window - delay]
        past = [v for v in past if not np.isnan(v)]
        if np.isnan(value) or len(past) < FEWEST:
            assert np.isnan(label)
        else:
            assert label == (value > np.quantile(past, QUARTILE))


def test_what_is_known_of_an_author_is_a_day_old() -> None:
    hour, n = 3_600_000, 60
    table = Table(
        created_ms=np.arange(n) * 5 * hour,
        authors=np.arange(n) % 2,
        retweets=np.arange(n) * 10.0,
        likes=np.arange(n) * 1.0,
        followers=np.full(n, np.nan),
        dense=np.zeros((n, len(TWEET_COUNTED)), np.float32),
    )
    dense = retweets_stream("two", table).dense
    for i in range(n):
        own = [j for j in range(i % 2, n, 2) if table.created_ms[j] <= table.created_ms[i] - 24 * hour]
        expected = [table.retweets[own[-1]], np.mean([11.0 * j for j in own[-10:]])] if own else [np.nan, np.nan]
        found = dense[i, [NUMBER["tweet.retweets"], NUMBER["author.engaged_recent"]]]
        assert is_missing(found).all() == (not own)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert dense[i, NUMBER["author.posted_recent"]] == len([j for j in range(i % 2, i, 2) if i - j <= 24 / 5])


def test_learner_is_the_slow_one() -> None:
    rng = np.random.default_rng(2)
    rows, values = rng.integers(0, 9, (200, 3)), rng.normal(size=(200, 3))
    rows += np.array([0, 9, 18])  # an example never has a row twice: each feature has its own
    labels = (rng.random(200) < 0.3).astype(np.float64)
    learner = Learner()
    learner.learn(rows, values, labels)
    asked = np.arange(27)[:, None]
    found = learner.predict(asked, np.ones((27, 1)))
    for rate, probabilities in zip(RATES, found, strict=True):
        weights = learn_slowly(rows.tolist(), values.tolist(), labels.tolist(), rate)
        expected = [1 / (1 + np.exp(-weights[-1] - weights.get(row, 0.0))) for row in range(27)]
        np.testing.assert_allclose(probabilities, expected, rtol=1e-9)


def test_mixing_rows_moves_what_was_learned() -> None:
    learner = Learner()
    learner.learn(np.array([[4], [5], [5]]), np.ones((3, 1)), np.array([1.0, 0.0, 1.0]))
    before = learner.predict(np.array([[4], [5]]), np.ones((2, 1)))
    learner.mix([(np.array([4, 5]), np.array([[0.0, 1.0], [1.0, 0.0]]))])
    after = learner.predict(np.array([[5], [4]]), np.ones((2, 1)))
    np.testing.assert_array_equal(before, after)


def test_edges_of_the_month_are_exact_quantiles_and_roll_with_the_values() -> None:
    stream, edges = drifting(70, 400), RollingEdges()
    for window, rows in slices(stream.windows):
        edges.observe(window, stream.dense[rows])
        if window == 1_000 + MONTH - 1:
            values = np.sort(stream.dense[: rows.stop, FOLLOWERS])
            ranks = np.searchsorted(values, month_edges(stream.dense[: rows.stop]).edges[FOLLOWERS]) / len(values)
            np.testing.assert_allclose(ranks, np.arange(1, 16) / 16, atol=0.002)
    rolled = [of for _, number, of in edges.edge_changes if number == FOLLOWERS]
    assert len(rolled) > 5
    assert all(later[7] > former[7] for former, later in pairwise(rolled[1:]))
    assert (edges.view.edges[FOLLOWERS] == rolled[-1]).all()


@pytest.mark.parametrize("rolling", [False, True])
@pytest.mark.parametrize("transform", [np.asarray, signed_log])
def test_z_scores_are_the_slow_ones(rolling: bool, transform: object) -> None:
    stream = drifting(45, 20)
    stream.dense[::7, FOLLOWERS] = MISSING
    stream.dense[::11, FOLLOWERS] = 0
    scores = ZScores("", rolling, transform)  # type: ignore[arg-type]
    for window, rows in slices(stream.windows):
        if window == 1_000 + MONTH:
            scores.freeze()
        scores.observe(window, stream.dense[rows])
    kept = stream.windows >= 1_045 - MONTH if rolling else stream.windows < 1_000 + MONTH
    past = transform(stream.dense[kept, FOLLOWERS].astype(np.float64))  # type: ignore[operator]
    now = stream.dense[-20:, FOLLOWERS]
    expected = (transform(now.astype(np.float64)) - np.nanmean(past)) / np.nanstd(past)  # type: ignore[operator]
    rows_found, values = (column[:, FOLLOWERS] for column in scores.encode(stream.dense[-20:]))
    ordinary = ~np.isnan(now) & (now != 0)
    np.testing.assert_allclose(values[ordinary], np.clip(expected, -MOST_Z, MOST_Z)[ordinary], rtol=1e-6)
    assert (values[~ordinary] == 1).all()
    assert len(set(rows_found[ordinary])) == 1
    assert len(set(rows_found)) == 3


def test_max_normalization_takes_in_what_is_encoded() -> None:
    shares, dense = MaxNormalization(), np.full((2, len(CONTINUOUS)), MISSING)
    dense[:, FOLLOWERS] = 10, -40
    assert shares.encode(dense)[1][:, FOLLOWERS].tolist() == [0.25, -1]
    assert shares.encode(dense[:1])[1][:, FOLLOWERS].tolist() == [0.25]


def test_no_label_is_used_before_it_is_known() -> None:
    stream = drifting(40, 30)
    changed = Stream(**{name: getattr(stream, name) for name in Stream.__slots__} | {"labels": stream.labels.copy()})
    changed.labels[stream.windows == 1_033] = 1 - stream.labels[stream.windows == 1_033]
    found = []
    for each in (stream, changed):
        encodings = all_encodings(RollingBins(), FirstMonthBins())
        found.append(predict_then_learn(each, 1_000, encodings, lambda: None))
    windows = stream.windows[stream.windows >= 1_030]
    for one, other in zip(*found, strict=True):
        assert (one == other)[:, (windows < 1_033) | (windows == 1_034)].all()
        assert (one != other)[:, windows == 1_035].any()


def test_standard_error_over_blocks() -> None:
    values = np.random.default_rng(4).normal(size=500)
    mean, error = mean_and_error(values, np.arange(500))
    assert (mean, error) == pytest.approx((values.mean(), values.std() / 500**0.5))
    assert mean_and_error(np.repeat(values, 3), np.repeat(np.arange(500), 3)) == pytest.approx((mean, error))


def test_rolling_bins_save_what_frozen_ones_lose_where_values_run_away() -> None:
    stream = drifting(120, 100)
    assert first_window(stream.windows) == 1_000
    found = study(stream, lambda: None)
    losses = {each.name: each.loss for each in found.encodings}
    frozen = found.encodings[1]
    assert frozen.gain > 4 * frozen.error > 0
    assert found.encodings[0].gain == 0
    assert losses["rolling bins"] + 0.1 < min(losses["no features"], losses["z-scores of the first month"])
    assert found.examples == 90 * 100


def test_counts_of_the_world_are_of_what_was_before() -> None:
    counts = Counts()
    tweet = Tweet(id=1, created_ms=86_400_000, author_id=7, author="seven", text="four", author_followers=3)
    request = TimelineRequest(request_id="r", viewer_id=9, at_ms=86_400_000 + 7_200_000)
    before = counts.features(request, tweet)
    assert (
        before["viewer.seen"],
        before["viewer_author.seen"],
        before["author.posted_recent"],
        before["tweet.age_s"],
    ) == (0, 0, 0, 7_200)
    assert np.isnan(before["tweet.rate"])
    counts.post(tweet)
    counts.react(request, tweet, True)
    counts.react(request, tweet, False)
    after = counts.features(request, tweet)
    assert {after[name] for name in ("viewer.seen", "viewer_author.seen", "tweet.seen", "author.seen_recent")} == {2}
    assert {
        after[name] for name in ("viewer.engaged", "viewer_author.engaged", "tweet.likes", "author.engaged_recent")
    } == {1}
    assert (after["viewer.rate"], after["author.posted_recent"]) == (0.5, 1)
    later = TimelineRequest(request_id="s", viewer_id=9, at_ms=3 * 86_400_000)
    assert counts.features(later, tweet)["author.seen_recent"] == 0


def test_labels_of_the_world_come_from_its_truth() -> None:
    days: list[None] = []
    stream = world_stream(1, 3, lambda: days.append(None))
    assert stream.truth is not None
    assert len(days) == 1
    assert len(stream.labels) > 500
    spread = np.sqrt((stream.truth * (1 - stream.truth)).sum())
    assert abs((stream.labels - stream.truth).sum()) < 4 * spread
    again = world_stream(1, 3, lambda: None)
    np.testing.assert_array_equal(stream.dense, again.dense)


@pytest.mark.data
def test_real_tweets(tmp_path: Path) -> None:
    folder = data_file("tweets_public.csv.gz").parent
    stream = make_stream(TWO, Namespace(folder=folder, tweets=700), lambda: None)
    assert len(stream.windows) == 700
    found = study(stream, lambda: None)
    assert (found.months[0], found.entropy) == ("2014-09", None)
    assert found.examples == np.count_nonzero(~np.isnan(stream.labels[stream.windows >= stream.windows[0] + MONTH]))
    assert as_markdown([found]).count("| rolling z-scores |") == 1
    for name in ("one.svg", "two.svg"):
        plot([found], ["tweet.retweets"], tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()

"""Viewers of real tweets like what was liked, ask in event time, and say that they are simulated."""

import numpy as np
import pytest

from contracts.records import ENGAGED, Provenance, PublicCounts, Tweet
from simulation.viewers import RecordedWorld, ViewersConfig
from tests.support.simulation_worlds import answer, probabilities, seen_and_engaged

BEGIN_MS = 1_500_000_000_000


def some_tweets(count: int, *, counts: bool = True) -> list[Tweet]:
    rng = np.random.default_rng(1)
    likes = np.exp(rng.normal(3, 1.5, count)).astype(int).tolist()
    return [
        Tweet(
            id=1_000 + i, created_ms=BEGIN_MS + 60_000 * (i // 3), author_id=i % 40, author=f"a{i % 40}",
            text=f"words #tag{i % 25}",
            public_counts=PublicCounts(likes=likes[i], retweets=likes[i] // 3) if counts else None,
        )
        for i in range(count)
    ]  # fmt: skip


def test_popular_tweets_are_liked_more_and_frequencies_are_true() -> None:
    tweets = some_tweets(6_000)
    likes = {tweet.id: tweet.public_counts.likes for tweet in tweets if tweet.public_counts}
    world = RecordedWorld(tweets, ViewersConfig(requests_per_tweet=0.2), seed=1)
    assert world.tweets(BEGIN_MS + 10**9) == tweets
    popular, others, expected, happened, spread = [], [], 0.0, 0, 0.0
    for ask in world.requests(BEGIN_MS + 10**9):
        timeline = answer(ask)
        seen, engaged = seen_and_engaged(world.react(timeline), ENGAGED)
        ids = [int(place.id) for place in timeline.tweets if int(place.id) in seen]
        p = probabilities(world, ask, ids)
        expected, spread, happened = expected + p.sum(), spread + (p * (1 - p)).sum(), happened + len(engaged)
        for tweet_id in ids:
            (popular if likes[tweet_id] > 50 else others).append(tweet_id in engaged)
    assert abs(happened - expected) < 4 * spread**0.5
    assert np.mean(popular) > 1.5 * np.mean(others)


@pytest.mark.parametrize("counts", [True, False])
def test_same_seed_gives_the_same_however_the_calls_are_cut(counts: bool) -> None:
    tweets = some_tweets(2_000, counts=counts)
    whole, cut = (RecordedWorld(tweets, ViewersConfig(), seed=2) for _ in range(2))
    end = BEGIN_MS + 10**9
    all_tweets, all_requests = whole.tweets(end), whole.requests(end)
    pieces, asked = [], []
    while (next_ms := cut.next_ms()) is not None:
        pieces += cut.tweets(next_ms + 77_777)
        asked += cut.requests(next_ms + 77_777)
    assert (pieces, asked) == (all_tweets, all_requests)
    assert len(asked) > 10
    assert [whole.react(answer(ask)) for ask in asked] == [cut.react(answer(ask)) for ask in asked]


def test_requests_name_tweets_that_went_by_and_carry_their_provenance() -> None:
    tweets = some_tweets(2_000)
    created = {tweet.id: tweet.created_ms for tweet in tweets}
    world = RecordedWorld(tweets, ViewersConfig(), seed=2)
    world.tweets(BEGIN_MS + 10**9)
    for ask in world.requests(BEGIN_MS + 10**9):
        assert all(created[tweet_id] <= ask.at_ms for tweet_id in ask.candidates or [])
        events = world.react(answer(ask))
        assert {event.provenance for event in (ask, *events)} == {Provenance.SIMULATED_VIEWERS}


def test_without_counts_a_hidden_quality_decides() -> None:
    world = RecordedWorld(some_tweets(3_000, counts=False), ViewersConfig(requests_per_tweet=0.1), seed=4)
    world.tweets(BEGIN_MS + 10**9)
    ask = world.requests(BEGIN_MS + 10**9)[-1]
    p = probabilities(world, ask, ask.candidates or [])
    assert p.std() > 0.02
    order = world.best_order(ask.viewer_id, np.array(ask.candidates), ask.at_ms)
    assert probabilities(world, ask, order.tolist()).tolist() == sorted(p.tolist(), reverse=True)


def test_without_viewers_the_tweets_are_handed_on() -> None:
    tweets = some_tweets(500)
    world = RecordedWorld(tweets, ViewersConfig(viewers=0), seed=1)
    assert world.tweets(BEGIN_MS + 10**9) == tweets
    assert world.requests(BEGIN_MS + 10**9) == []
    assert world.next_ms() is None


def test_an_empty_file_has_no_events() -> None:
    world = RecordedWorld([], ViewersConfig(), seed=1)
    assert (world.next_ms(), world.tweets(BEGIN_MS), world.requests(BEGIN_MS)) == (None, [], [])

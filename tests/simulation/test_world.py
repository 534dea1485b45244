"""The simulated world keeps its promises: seeded, calibrated, biased by position, with recorded bursts."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from contracts.codec import Codec, serialize
from contracts.records import ENGAGED, Action, Provenance, TimelineRequest, Tweet
from simulation.config import HOUR_MS
from simulation.noise import normals, uniforms
from simulation.reactions import examination
from simulation.world import World
from tests.support.simulation_worlds import SMALL, answer, probabilities, run, seen_and_engaged


@pytest.fixture(scope="module")
def lived() -> tuple[World, list[Tweet], list[TimelineRequest]]:
    world = World(SMALL, seed=7)
    return world, *run(world, 3)


def test_same_seed_gives_the_same_world_however_the_calls_are_cut() -> None:
    whole, cut = World(SMALL, seed=3), World(SMALL, seed=3)
    tweets, requests = run(whole, 1)
    pieces: list[Tweet] = []
    asked: list[TimelineRequest] = []
    rng = random.Random(1)
    until = cut.begin_ms
    while until < cut.begin_ms + HOUR_MS:
        until = min(until + rng.randrange(1, 300_000), cut.begin_ms + HOUR_MS)
        asked += cut.requests(until)
        assert not [tweet for tweet in pieces if tweet.created_ms >= until]
        pieces += cut.tweets(until)
    assert pieces == tweets
    assert asked == requests


def test_another_seed_gives_another_world() -> None:
    assert run(World(SMALL, seed=3), 0.1)[0] != run(World(SMALL, seed=4), 0.1)[0]


def test_records_are_valid_ordered_and_say_that_they_are_simulated(
    lived: tuple[World, list[Tweet], list[TimelineRequest]],
) -> None:
    _, tweets, requests = lived
    tweet_codec, request_codec = Codec(Tweet), Codec(TimelineRequest)
    assert [tweet_codec.deserialize(serialize(tweet)) for tweet in tweets[:500]] == tweets[:500]
    assert [request_codec.deserialize(serialize(ask)) for ask in requests[:100]] == requests[:100]
    assert {event.provenance for event in (*tweets, *requests)} == {Provenance.SIMULATED_WORLD}
    times = [tweet.created_ms for tweet in tweets]
    assert times == sorted(times)
    assert len({tweet.id for tweet in tweets}) == len(tweets)
    assert abs(len(tweets) - 3 * SMALL.tweets_per_hour) < 5 * (3 * SMALL.tweets_per_hour) ** 0.5


def test_candidates_are_older_tweets_many_of_them_followed(
    lived: tuple[World, list[Tweet], list[TimelineRequest]],
) -> None:
    _, tweets, requests = lived
    created = {tweet.id: tweet.created_ms for tweet in tweets}
    for ask in requests:
        assert ask.candidates is not None
        assert len(set(ask.candidates)) == len(ask.candidates)
        assert all(created[tweet_id] < ask.at_ms for tweet_id in ask.candidates)
    assert np.mean([len(ask.candidates or []) for ask in requests[200:]]) == SMALL.candidates


@pytest.mark.slow
def test_drawn_frequency_equals_the_true_probability(
    lived: tuple[World, list[Tweet], list[TimelineRequest]],
) -> None:
    world, _, requests = lived
    truth, drawn = [], []
    for ask in requests[300:]:
        timeline = answer(ask)
        seen, engaged = seen_and_engaged(world.react(timeline), ENGAGED)
        shown = [int(place.id) for place in timeline.tweets if int(place.id) in seen]
        truth.append(probabilities(world, ask, shown))
        drawn.append([tweet_id in engaged for tweet_id in shown])
    p, happened = np.concatenate(truth), np.concatenate(drawn)
    order = np.argsort(p)
    for part in np.array_split(order, 8):
        expected = p[part].sum()
        error = np.sqrt((p[part] * (1 - p[part])).sum())
        assert abs(happened[part].sum() - expected) < 4 * error
    assert p[order[-len(p) // 8 :]].mean() > 5 * p[order[: len(p) // 8]].mean(), "there is something to learn"


def test_places_are_examined_as_often_as_documented_and_only_from_the_top(
    lived: tuple[World, list[Tweet], list[TimelineRequest]],
) -> None:
    world, _, requests = lived
    counts: Counter[int] = Counter()
    asked = requests[300:]
    for ask in asked:
        events = world.react(answer(ask))
        places = sorted(event.position or 0 for event in events if event.action is Action.SEEN)
        assert places == list(range(len(places)))
        assert {event.position for event in events} <= set(places), "nothing happens to what was not seen"
        counts.update(places)
    expected = examination(np.arange(SMALL.limit), SMALL.behavior)
    found = np.array([counts[place] for place in range(SMALL.limit)]) / len(asked)
    assert np.all(np.abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / len(asked)) + 1e-9)


@pytest.mark.slow
def test_reactions_do_not_depend_on_what_was_asked_before() -> None:
    first, second = World(SMALL, seed=5), World(SMALL, seed=5)
    _, requests = run(first, 1)
    run(second, 2)
    forward = {ask.request_id: first.react(answer(ask)) for ask in requests}
    backward = {ask.request_id: second.react(answer(ask)) for ask in reversed(requests)}
    assert forward == backward


def test_a_tweet_is_liked_or_not_wherever_it_stands(lived: tuple[World, list[Tweet], list[TimelineRequest]]) -> None:
    world, _, requests = lived
    for ask in requests[-50:]:
        ids = (ask.candidates or [])[: ask.limit]
        up = seen_and_engaged(world.react(answer(ask, ids)), ENGAGED)
        down = seen_and_engaged(world.react(answer(ask, ids[::-1])), ENGAGED)
        both = up[0] & down[0]
        assert up[1] & both == down[1] & both


def test_best_order_is_engaged_with_more(lived: tuple[World, list[Tweet], list[TimelineRequest]]) -> None:
    world, _, requests = lived
    plain = best = 0
    for ask in requests[-400:]:
        ids = np.array(ask.candidates, np.int64)
        order = world.best_order(ask.viewer_id, ids, ask.at_ms).tolist()
        assert sorted(order) == sorted(ids.tolist())
        plain += len(seen_and_engaged(world.react(answer(ask)), ENGAGED)[1])
        best += len(seen_and_engaged(world.react(answer(ask, order)), ENGAGED)[1])
    assert best > 1.8 * plain


def test_unknown_viewers_and_tweets_are_not_guessed(lived: tuple[World, list[Tweet], list[TimelineRequest]]) -> None:
    world, _, requests = lived
    ask = requests[-1]
    with pytest.raises(ValueError, match="unknown"):
        probabilities(world, ask, [123])
    with pytest.raises(ValueError, match="unknown"):
        world.true_probability(5, np.array(ask.candidates), ask.at_ms)
    known = (ask.candidates or [])[0]
    assert {event.tweet_id for event in world.react(answer(ask, [123, known]))} == {known}


def test_bursts_are_in_the_tweets_where_the_truth_says() -> None:
    world = World(replace(SMALL, tweets_per_hour=20_000.0, requests_per_hour=0.0), seed=11)
    tweets, _ = run(world, 4)
    times: dict[str, list[int]] = {}
    for tweet in tweets:
        for word in tweet.text.split():
            if word.startswith("#"):
                times.setdefault(word[1:], []).append(tweet.created_ms)
    born_later = [trend for trend in world.trends if trend.bursts]
    assert len(born_later) > 20
    assert sum(len(trend.bursts) > 1 for trend in born_later) >= 2, "some came back"
    minutes = 60_000
    for trend in born_later:
        used = np.array(times.get(trend.tag, []))
        assert not (used < trend.born_ms).any()
        for burst in trend.bursts:
            if burst.tweets_per_block > 2 and burst.at_ms < world.begin_ms + 3.5 * HOUR_MS:
                during = ((used >= burst.at_ms) & (used < burst.at_ms + 10 * minutes)).sum()
                assert during > burst.tweets_per_block
    ended = [trend for trend in born_later if trend.bursts[-1].at_ms < world.begin_ms + HOUR_MS]
    late = sum((np.array(times[trend.tag]) > world.begin_ms + 3 * HOUR_MS).sum() for trend in ended)
    assert late < 0.3 * sum(len(times[trend.tag]) for trend in ended), "they fade"


def test_tastes_drift_and_usernames_are_cited_unevenly(
    lived: tuple[World, list[Tweet], list[TimelineRequest]],
) -> None:
    _, tweets, _ = lived
    fresh = World(SMALL, seed=7)
    early, soon, late = (fresh._viewers.taste_at(fresh.begin_ms + int(hours * HOUR_MS)) for hours in (0, 0.5, 24))
    assert np.corrcoef(early.ravel(), soon.ravel())[0, 1] > 0.8
    assert abs(np.corrcoef(early.ravel(), late.ravel())[0, 1]) < 0.3
    cited = Counter(word for tweet in tweets for word in tweet.text.split() if word.startswith("@"))
    names = [count for _, count in cited.most_common()]
    assert sum(names[:30]) > 0.35 * sum(names)


def test_hashed_draws_are_uniform_and_normal() -> None:
    ids = np.arange(200_000)
    u, z = uniforms(99, ids), normals(99, ids)
    assert abs(u.mean() - 0.5) < 0.003
    assert np.abs(np.histogram(u, 20, (0, 1))[0] / 10_000 - 1).max() < 0.05
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(u, uniforms(100, ids))[0, 1]) < 0.01
    assert (abs(z.mean()) < 0.01, abs(z.std() - 1) < 0.01) == (True, True)

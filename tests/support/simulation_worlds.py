"""Small simulated worlds and helpers for the tests of the simulation."""

from collections.abc import Sequence

import numpy as np

from contracts.records import Action, Engagement, RankedTimeline, RankedTweet, TimelineRequest, Tweet
from simulation.config import HOUR_MS, WorldConfig
from simulation.viewers import RecordedWorld
from simulation.world import World

SMALL = WorldConfig(
    authors=300,
    viewers=60,
    topics=6,
    general_words=500,
    topic_words=100,
    tweets_per_hour=6_000.0,
    requests_per_hour=1_200.0,
    follows=20,
    remembered_tweets=30_000,
)


def run(world: World, hours: float) -> tuple[list[Tweet], list[TimelineRequest]]:
    """All tweets and requests of the first `hours` hours."""
    until = world.begin_ms + int(hours * HOUR_MS)
    return world.tweets(until), world.requests(until)


def answer(request: TimelineRequest, order: Sequence[int] | None = None) -> RankedTimeline:
    """A timeline of the first `limit` candidates, in the request's order or in the given one."""
    ids = list(order if order is not None else request.candidates or [])[: request.limit]
    return RankedTimeline(
        request_id=request.request_id,
        viewer_id=str(request.viewer_id),
        at_ms=request.at_ms,
        ranker="test",
        tweets=[RankedTweet(id=str(tweet_id)) for tweet_id in ids],
    )


def seen_and_engaged(engagements: Sequence[Engagement], actions: Sequence[Action]) -> tuple[set[int], set[int]]:
    """(tweets seen, tweets engaged with)."""
    seen = {event.tweet_id for event in engagements if event.action is Action.SEEN}
    return seen, {event.tweet_id for event in engagements if event.action in actions}


def probabilities(world: World | RecordedWorld, request: TimelineRequest, ids: Sequence[int]) -> np.ndarray:
    """float64[n], the true probabilities of these tweets."""
    return world.true_probability(request.viewer_id, np.array(ids, np.int64), request.at_ms)

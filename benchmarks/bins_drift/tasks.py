"""The tasks of `bins_drift`: on real tweets, on counts that grow, and in the simulated world."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.arrays import F64, I64
from contracts.records import ENGAGED, Action, RankedTimeline, RankedTweet, Tweet
from simulation.config import HOUR_MS, WorldConfig
from simulation.world import World

DAY_MS = 86_400_000
BEFORE = 500  # tweets whose median a popular tweet exceeds
SIMULATED_HOURS = 240


@dataclass(frozen=True, slots=True)
class Task:
    """A binary task. values: float64[n, d]. labels: float64[n], 0 or 1. days: int64[n], ascending from 1."""

    name: str
    values: F64
    labels: F64
    days: I64


def tweet_tasks(tweets: Sequence[Tweet]) -> list[Task]:
    """The tasks `popular` and `link`."""
    counts = [tweet.public_counts for tweet in tweets if tweet.public_counts]
    retweets = np.array([count.retweets for count in counts], np.float64)
    likes = np.array([count.likes for count in counts], np.float64)
    length = np.array([len(tweet.text) for tweet in tweets], np.float64)
    days = np.array([tweet.created_ms // DAY_MS for tweet in tweets], np.int64)
    days -= days[0] - 1
    medians = np.array([np.median(likes[max(0, i - BEFORE) : i]) if i else 0.0 for i in range(len(likes))])
    link = np.array(["http" in tweet.text for tweet in tweets], np.float64)
    return [
        Task("popular", np.stack([retweets, length], axis=1), (likes > medians).astype(np.float64), days),
        Task("link", np.stack([retweets, length, likes], axis=1), link, days),
    ]


def world(*, by_rank: bool, days: int = 365, a_day: int = 200) -> Task:
    """Counts that grow 400-fold in a year, and labels with known probabilities."""
    random = np.random.default_rng(1)
    day = np.repeat(np.arange(1, days + 1), a_day)
    grown = np.log(400) * day / days
    relative = random.normal(size=len(day))
    values = np.rint(np.exp(4 + grown + 1.5 * relative))
    logit = 1.5 * relative if by_rank else np.log1p(values) - 4 - np.log(20)
    labels = (random.random(len(day)) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    return Task(f"by {'rank' if by_rank else 'value'}", values[:, None], labels, day)


def simulated_world() -> Task:
    """Ten days of the simulated world, in windows of an hour: is a tweet that a viewer saw engaged with?

    Inputs: the engagements so far of its author and of the tweet, and its age in seconds.
    """
    config = WorldConfig(authors=300, viewers=60, topics=6, tweets_per_hour=300.0, requests_per_hour=60.0, follows=20)
    world = World(config, seed=1)
    author_of: dict[int, int] = {}
    made: dict[int, int] = {}
    of_author: Counter[int] = Counter()
    of_tweet: Counter[int] = Counter()
    values, labels, hours = [], [], []
    for hour in range(1, SIMULATED_HOURS + 1):
        until = world.begin_ms + hour * HOUR_MS
        for tweet in world.tweets(until):
            author_of[tweet.id], made[tweet.id] = tweet.author_id, tweet.created_ms
        for request in world.requests(until):
            shown = (request.candidates or [])[: request.limit]
            events = world.react(
                RankedTimeline(
                    request_id=request.request_id,
                    viewer_id=str(request.viewer_id),
                    at_ms=request.at_ms,
                    ranker="given",
                    tweets=[RankedTweet(id=str(tweet_id)) for tweet_id in shown],
                )
            )
            engaged = {event.tweet_id for event in events if event.action in ENGAGED}
            for event in events:
                if event.action is Action.SEEN:
                    tweet = event.tweet_id
                    age = (request.at_ms - made[tweet]) / 1_000
                    values.append((of_author[author_of[tweet]], of_tweet[tweet], age))
                    labels.append(tweet in engaged)
                    hours.append(hour)
            of_tweet.update(engaged)
            of_author.update(author_of[tweet] for tweet in sorted(engaged))
    return Task("simulated world", np.array(values), np.array(labels, np.float64), np.array(hours, np.int64))

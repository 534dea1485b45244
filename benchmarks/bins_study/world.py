"""A stream from the simulated world, with known probabilities: what viewers saw, and whether they engaged.

Timelines show candidates in the order of the request, so that no ranker decides what is learned. Features are the
declared ones, counted here from the reactions to all earlier requests; total counts grow as long as the world runs.
An author's recent counts are those of the day of the request.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np

from benchmarks.bins_study.stream import DAY_MS, Stream, stream_of
from contracts.arrays import F64
from contracts.records import ENGAGED, Action, RankedTimeline, RankedTweet, TimelineRequest, Tweet
from simulation.config import Behavior, WorldConfig
from simulation.world import World

# Few tweets and requests, so that months take minutes; a higher base rate makes up for the engagements.
CONFIG = WorldConfig(
    authors=300,
    viewers=60,
    topics=6,
    general_words=500,
    topic_words=100,
    tweets_per_hour=60.0,
    requests_per_hour=12.0,
    follows=20,
    births_per_hour=0.5,
    revivals_per_hour=0.2,
    evergreen_tags=30,
    limit=20,
    behavior=Behavior(base=-3.0),
)


class Counts:
    """Counts what was seen and engaged with so far, and derives the features."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[object, ...]] = Counter()
        self._engaged: Counter[tuple[object, ...]] = Counter()
        self._posted: Counter[tuple[int, int]] = Counter()

    def post(self, tweet: Tweet) -> None:
        """Count a tweet of its author."""
        self._posted[tweet.author_id, tweet.created_ms // DAY_MS] += 1

    def features(self, request: TimelineRequest, tweet: Tweet) -> dict[str, float]:
        """The features of one candidate, by name."""
        day = request.at_ms // DAY_MS
        viewer, of_tweet = ("viewer", request.viewer_id), ("tweet", tweet.id)
        author, pair = ("author", tweet.author_id, day), ("pair", request.viewer_id, tweet.author_id)
        return {
            "viewer.seen": self._seen[viewer],
            "viewer.engaged": self._engaged[viewer],
            "viewer.rate": self._rate(viewer),
            "request.hour_of_day": request.at_ms // 3_600_000 % 24,
            "tweet.age_s": (request.at_ms - tweet.created_ms) / 1_000,
            "tweet.text_length": len(tweet.text),
            "tweet.author_followers": np.nan if tweet.author_followers is None else tweet.author_followers,
            "tweet.seen": self._seen[of_tweet],
            "tweet.likes": self._engaged[of_tweet],
            "tweet.rate": self._rate(of_tweet),
            "author.posted_recent": self._posted[tweet.author_id, day],
            "author.seen_recent": self._seen[author],
            "author.engaged_recent": self._engaged[author],
            "author.rate_recent": self._rate(author),
            "viewer_author.seen": self._seen[pair],
            "viewer_author.engaged": self._engaged[pair],
        }

    def react(self, request: TimelineRequest, tweet: Tweet, engaged: bool) -> None:
        """Count a tweet that a viewer saw, and whether it was engaged with."""
        day = request.at_ms // DAY_MS
        for entity in (
            ("viewer", request.viewer_id),
            ("tweet", tweet.id),
            ("author", tweet.author_id, day),
            ("pair", request.viewer_id, tweet.author_id),
        ):
            self._seen[entity] += 1
            self._engaged[entity] += engaged

    def _rate(self, entity: tuple[object, ...]) -> float:
        return self._engaged[entity] / self._seen[entity] if self._seen[entity] else np.nan


def world_stream(days: int, seed: int, progress: Callable[[], None]) -> Stream:
    """Label: whether a viewer engaged with a tweet that it saw. Calls `progress` after every day."""
    world, counts = World(CONFIG, seed), Counts()
    tweets: dict[int, Tweet] = {}
    at_ms: list[int] = []
    rows: list[dict[str, float]] = []
    truth: list[F64] = []
    labels: list[bool] = []
    for day in range(1, days + 1):
        until = world.begin_ms + day * DAY_MS
        waiting = world.tweets(until)
        tweets = {tweet.id: tweet for tweet in tweets.values() if tweet.created_ms > until - 2 * DAY_MS}
        tweets |= {tweet.id: tweet for tweet in waiting}
        waiting.reverse()
        for request in world.requests(until):
            while waiting and waiting[-1].created_ms <= request.at_ms:
                counts.post(waiting.pop())
            shown, probability, engaged = _show(world, request)
            rows += [counts.features(request, tweets[tweet_id]) for tweet_id in shown]
            at_ms += [request.at_ms] * len(shown)
            labels += engaged
            truth.append(probability)
            for tweet_id, liked in zip(shown, engaged, strict=True):
                counts.react(request, tweets[tweet_id], liked)
        for tweet in reversed(waiting):
            counts.post(tweet)
        progress()
    columns = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
    answers = np.array(labels, np.float64)
    return stream_of("simulated world", np.array(at_ms, np.int64), columns, answers, np.concatenate(truth), delay=0)


def _show(world: World, request: TimelineRequest) -> tuple[list[int], F64, list[bool]]:
    """(ids of the tweets seen, their true probabilities, whether each was engaged with)."""
    candidates = (request.candidates or [])[: request.limit]
    timeline = RankedTimeline(
        request_id=request.request_id,
        viewer_id=str(request.viewer_id),
        at_ms=request.at_ms,
        ranker="none",
        tweets=[RankedTweet(id=str(tweet_id)) for tweet_id in candidates],
    )
    events = world.react(timeline)
    shown = [event.tweet_id for event in events if event.action is Action.SEEN]
    liked = {event.tweet_id for event in events if event.action in ENGAGED}
    probability = world.true_probability(request.viewer_id, np.array(shown, np.int64), request.at_ms)
    return shown, probability, [tweet_id in liked for tweet_id in shown]

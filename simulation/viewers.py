"""Simulated viewers for real tweets: they ask for timelines and react to them.

How often a tweet is engaged with follows its public counts: a tweet that was liked more than its neighbours is liked
more here too. Tweets without counts get a hidden quality, a hash of author and id. Requests and reactions carry the
provenance `simulated-viewers`.

    log-odds = base + freshness(age) + popularity * z + author_taste * a + tag_taste * h(t)

z: log(1 + likes + 2 retweets + 2 quotes + replies), standardized by its running mean and deviation. a: the viewer's
taste for the author. h(t): the viewer's taste for the first hashtag, which drifts with event time.
It has the methods of `simulation.world.World`, so that the same loop feeds either.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from contracts.arrays import F64, I64
from contracts.records import Engagement, Provenance, RankedTimeline, TimelineRequest, Tweet
from simulation.config import HOUR_MS, Behavior
from simulation.noise import draw_key, normals, uniforms
from simulation.reactions import Shown, draw_reactions, freshness, sigmoid
from simulation.recent import RecentTweets

FIRST_VIEWER = 8_000_000
_HASHTAG = re.compile(r"#(\w+)")
_BATCH = 256  # tweets taken from the source at a time
_MOST_Z = 3.0
_FEWEST_CANDIDATES = 10
_BEHAVIOR = Behavior(base=-3.6, fresh_half_ms=12 * HOUR_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewersConfig:
    """Viewers of a file of real tweets. Weights are in log-odds."""

    viewers: int = 300
    requests_per_tweet: float = 0.02
    candidates: int = 80
    pool: int = 2_000  # newest tweets from which candidates are drawn; newer ones are likelier
    limit: int = 35
    remembered_tweets: int = 50_000  # the newest ones: only these can be reacted to
    counts_memory: float = 2_000.0  # tweets over which the running mean of the counts decays
    behavior: Behavior = _BEHAVIOR
    popularity: float = 0.9
    author_taste: float = 0.8
    tag_taste: float = 0.8
    drift_ms: int = 7 * 24 * HOUR_MS  # time in which the taste for a hashtag changes into an independent one


class RecordedWorld:
    """Viewers of `tweets`, which are in order of event time and read only as far as needed.

    With `viewers=0` it only passes the tweets on.
    """

    provenance = Provenance.SIMULATED_VIEWERS

    def __init__(self, tweets: Iterable[Tweet], config: ViewersConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self._keys = {what: draw_key(seed, what) for what in ("ask", "viewer", "pick", "author", "tag", "hidden")}
        self._source: Iterator[Tweet] = iter(tweets)
        self._recent = RecentTweets(config.remembered_tweets, {"author": np.int64, "tag": np.int64, "z": np.float64})
        self._mean, self._variance, self._counted = 0.0, 1.0, 0
        self._waiting: list[Tweet] = []
        self._requests: list[TimelineRequest] = []
        self._fill()
        self.begin_ms = self._waiting[0].created_ms if self._waiting else 0

    def next_ms(self) -> int | None:
        """No event still to come is older; None when there are no more."""
        if not self._waiting:
            self._fill()
        heads = [tweet.created_ms for tweet in self._waiting[:1]] + [ask.at_ms for ask in self._requests[:1]]
        return min(heads, default=None)

    def tweets(self, until_ms: int) -> list[Tweet]:
        """The next tweets, those before `until_ms`, in order of time."""
        given: list[Tweet] = []
        while True:
            if not self._waiting and not self._fill():
                return given
            cut = int(np.searchsorted([tweet.created_ms for tweet in self._waiting], until_ms))
            taken, self._waiting = self._waiting[:cut], self._waiting[cut:]
            self._observe(taken)
            given += taken
            if self._waiting:
                return given

    def requests(self, until_ms: int) -> list[TimelineRequest]:
        """The next requests, those before `until_ms`, in order of time; call `tweets(until_ms)` first."""
        ready = [ask for ask in self._requests if ask.at_ms < until_ms]
        self._requests = [ask for ask in self._requests if ask.at_ms >= until_ms]
        return ready

    def react(self, timeline: RankedTimeline) -> list[Engagement]:
        """The viewer's engagements: a function of the seed and the timeline. Tweets no longer held get none."""
        viewer_id = int(timeline.viewer_id)
        ids = np.array([int(place.id) for place in timeline.tweets], np.int64)
        ids = ids[self._recent.rows_of(ids) >= 0]
        authors = self._recent.columns["author"][self._recent.rows_of(ids)]
        p = self.true_probability(viewer_id, ids, timeline.at_ms)
        shown = Shown(timeline.request_id, viewer_id, timeline.at_ms, ids, authors, p)
        return draw_reactions(shown, self.config.behavior, self.seed, self.provenance)

    def true_probability(self, viewer_id: int, tweet_ids: I64, at_ms: int) -> F64:
        """float64[n], the probability of engagement with each tweet, given that it is seen.

        Raises `ValueError` for a tweet that is no longer held.
        """
        config, recent = self.config, self._recent
        rows = recent.rows_of(tweet_ids)
        if (rows < 0).any():
            raise ValueError("a tweet is unknown, or too old to be held")
        author, tag = recent.columns["author"][rows], recent.columns["tag"][rows]
        epoch, part = divmod(at_ms, config.drift_ms)
        turn = 0.5 * np.pi * part / config.drift_ms
        tag_key = draw_key(self._keys["tag"], viewer_id)
        liking = np.cos(turn) * normals(tag_key + epoch, tag) + np.sin(turn) * normals(tag_key + epoch + 1, tag)
        return sigmoid(
            config.behavior.base
            + freshness(at_ms - recent.created[rows], config.behavior)
            + config.popularity * recent.columns["z"][rows]
            + config.author_taste * normals(draw_key(self._keys["author"], viewer_id), author)
            + config.tag_taste * liking * (tag != 0)
        )

    def best_order(self, viewer_id: int, tweet_ids: I64, at_ms: int) -> I64:
        """The ids by descending true probability, ties by id."""
        return tweet_ids[np.lexsort((tweet_ids, -self.true_probability(viewer_id, tweet_ids, at_ms)))]

    def _fill(self) -> bool:
        self._waiting += [tweet for _, tweet in zip(range(_BATCH), self._source, strict=False)]
        return bool(self._waiting)

    def _observe(self, tweets: list[Tweet]) -> None:
        """Remember these tweets, and draw the requests that viewers make after them."""
        if not tweets or not self.config.viewers:
            return
        ids = np.array([tweet.id for tweet in tweets], np.int64)
        asks = uniforms(self._keys["ask"], ids) < self.config.requests_per_tweet
        first = self._recent.end
        self._recent.add(
            ids,
            np.array([tweet.created_ms for tweet in tweets], np.int64),
            author=np.array([tweet.author_id for tweet in tweets], np.int64),
            tag=np.array([_tag_of(tweet) for tweet in tweets], np.int64),
            z=np.array([self._popularity(tweet) for tweet in tweets]),
        )
        for i in np.flatnonzero(asks).tolist():
            self._ask(tweets[i], first + i)

    def _popularity(self, tweet: Tweet) -> float:
        counts = tweet.public_counts
        if counts is None:
            about = np.array([tweet.author_id, tweet.id], np.int64)
            quality = normals(self._keys["hidden"], about)
            return float(0.8 * quality[0] + 0.6 * quality[1])
        value = float(np.log1p(counts.likes + 2 * counts.retweets + 2 * counts.quotes + counts.replies))
        self._counted += 1
        weight = max(1.0 / self._counted, 1.0 / self.config.counts_memory)
        gap = value - self._mean
        self._mean += weight * gap
        self._variance += weight * (gap * gap - self._variance)
        return float(np.clip((value - self._mean) / max(self._variance, 0.01) ** 0.5, -_MOST_Z, _MOST_Z))

    def _ask(self, tweet: Tweet, number: int) -> None:
        """Add a request just after tweet `number`, counted from the first tweet."""
        config, recent = self.config, self._recent
        pool = min(number + 1, config.pool, recent.capacity)
        if pool < _FEWEST_CANDIDATES:
            return
        key = draw_key(self._keys["pick"], tweet.id)
        back = np.unique((uniforms(key, np.arange(2 * config.candidates)) ** 1.5 * pool).astype(np.int64))
        back = back[np.argsort(uniforms(key + 1, back))][: config.candidates]
        viewer = FIRST_VIEWER + int(uniforms(self._keys["viewer"], np.array([tweet.id]))[0] ** 2 * config.viewers)
        self._requests.append(
            TimelineRequest(
                request_id=f"viewers-{self.seed}-{tweet.id}",
                viewer_id=viewer,
                at_ms=tweet.created_ms + 1,
                limit=config.limit,
                candidates=recent.ids[(number - back) % recent.capacity].tolist(),
                provenance=self.provenance,
            )
        )


def _tag_of(tweet: Tweet) -> int:
    """A number for the tweet's first hashtag, case folded; 0 if it has none."""
    match = _HASHTAG.search(tweet.text)
    return draw_key(match[1].casefold()) >> 1 if match else 0

"""The simulated world: tweets, timeline requests, reactions to timelines, and the true probabilities behind them.

    world = World(WorldConfig(), seed=1)
    world.tweets(until_ms), world.requests(until_ms)     the next events, those before `until_ms`
    world.react(timeline)                                engagements with a ranked timeline
    world.true_probability(...), world.best_order(...), world.trends

Events are drawn one block of event time at a time, from a generator of (seed, kind of event, block number), so they
do not depend on how many calls ask for them. The weights below (taste, quality, ...) are those of the config:

    log-odds = base + freshness(age) + taste * viewer's taste for the topic + quality * author's quality
             + follow * [viewer follows author] + heat * log(1 + hashtag's tweets a minute, when tweeted)
             + tag_taste * viewer's taste for the hashtag + appeal * the tweet's own appeal
"""

from collections.abc import Sequence

import numpy as np

from contracts.arrays import F64, I64
from contracts.records import Engagement, Provenance, RankedTimeline, TimelineRequest, Tweet
from simulation.config import BLOCK_MS, HOUR_MS, WorldConfig
from simulation.hashtags import Hashtags, Trend
from simulation.noise import draw_key, normals
from simulation.people import FIRST_VIEWER, Authors, Viewers
from simulation.reactions import Shown, draw_reactions, freshness, sigmoid
from simulation.recent import RecentTweets
from simulation.words import draw
from simulation.writing import NO_TAG, Draft, Writer

# The generators' streams; the viewers' tastes use stream 3.
_SETUP, _TWEETS, _REQUESTS = 0, 1, 2
# As in X's ids: milliseconds in the high bits, a sequence number in the low 22.
_ID_SHIFT = 22
_FEWEST_CANDIDATES = 10


class World:
    """See the module. Event time begins at `config.begin_ms` and never ends."""

    provenance = Provenance.SIMULATED_WORLD

    def __init__(self, config: WorldConfig, seed: int) -> None:
        self.config, self.seed = config, seed
        self.begin_ms = config.begin_ms
        rng = np.random.default_rng([seed, _SETUP])
        self._hashtags = Hashtags(config, rng)
        self.authors = Authors(config, rng)
        self._viewers = Viewers(config, seed, self.authors, rng)
        self._writer = Writer(config, self.authors, self._hashtags, rng)
        columns = {"author": np.int64, "topic": np.int64, "tag": np.int64, "heat": np.float64, "appeal": np.float64}
        self._recent = RecentTweets(config.remembered_tweets, columns)
        self._tag_key = draw_key(seed, "tag taste")
        self._blocks = 0
        self._asked = 0
        self._tweets: list[Tweet] = []
        self._requests: list[TimelineRequest] = []

    @property
    def trends(self) -> Sequence[Trend]:
        """The true history of every hashtag so far: when it appeared, and each of its bursts."""
        return self._hashtags.trends

    def next_ms(self) -> int | None:
        """No event still to come is older. Never None: a world does not end."""
        heads = [tweet.created_ms for tweet in self._tweets[:1]] + [ask.at_ms for ask in self._requests[:1]]
        return min([self.begin_ms + self._blocks * BLOCK_MS, *heads])

    def tweets(self, until_ms: int) -> list[Tweet]:
        """The next tweets, those before `until_ms`, in order of time."""
        self._advance(until_ms)
        given = _count_before([tweet.created_ms for tweet in self._tweets], until_ms)
        ready, self._tweets = self._tweets[:given], self._tweets[given:]
        return ready

    def requests(self, until_ms: int) -> list[TimelineRequest]:
        """The next requests, those before `until_ms`, in order of time; their candidates are older tweets."""
        self._advance(until_ms)
        given = _count_before([ask.at_ms for ask in self._requests], until_ms)
        ready, self._requests = self._requests[:given], self._requests[given:]
        return ready

    def react(self, timeline: RankedTimeline) -> list[Engagement]:
        """The viewer's engagements: a function of the seed and the timeline alone.

        Tweets that are unknown or no longer held get none. Raises `ValueError` for a viewer that is not of this
        world.
        """
        viewer_id = int(timeline.viewer_id)
        ids = np.array([int(place.id) for place in timeline.tweets], np.int64)
        ids = ids[self._recent.rows_of(ids) >= 0]
        authors = self.authors.ids[self._recent.columns["author"][self._recent.rows_of(ids)]]
        p = self.true_probability(viewer_id, ids, timeline.at_ms)
        shown = Shown(timeline.request_id, viewer_id, timeline.at_ms, ids, authors, p)
        return draw_reactions(shown, self.config.behavior, self.seed, self.provenance)

    def true_probability(self, viewer_id: int, tweet_ids: I64, at_ms: int) -> F64:
        """float64[n], the probability that the viewer likes, retweets, replies to or quotes each tweet once seen.

        tweet_ids: int64[n]. Raises `ValueError` for a viewer or a tweet that is unknown or no longer held.
        """
        config, recent = self.config, self._recent
        viewer = int(self._viewers.rows_of(np.array([viewer_id], np.int64))[0])
        rows = recent.rows_of(tweet_ids)
        if viewer < 0 or (rows < 0).any():
            raise ValueError(f"viewer {viewer_id} or one of the tweets is unknown to this world, or no longer held")
        author, topic, tag = (recent.columns[name][rows] for name in ("author", "topic", "tag"))
        liking = normals(self._tag_key + viewer, tag) * (tag != NO_TAG)
        return sigmoid(
            config.behavior.base
            + freshness(at_ms - recent.created[rows], config.behavior)
            + config.taste * self._viewers.taste_at(at_ms)[viewer][topic]
            + config.quality * self.authors.quality[author]
            + config.follow * self._viewers.follows[viewer, author]
            + config.heat * np.log1p(recent.columns["heat"][rows])
            + config.tag_taste * liking
            + config.appeal * recent.columns["appeal"][rows]
        )

    def best_order(self, viewer_id: int, tweet_ids: I64, at_ms: int) -> I64:
        """The ids as the best possible ranker orders them: by descending true probability, ties by id."""
        return tweet_ids[np.lexsort((tweet_ids, -self.true_probability(viewer_id, tweet_ids, at_ms)))]

    def _advance(self, until_ms: int) -> None:
        while self.begin_ms + self._blocks * BLOCK_MS < until_ms:
            begin = self.begin_ms + self._blocks * BLOCK_MS
            self._draw_tweets(begin, np.random.default_rng([self.seed, _TWEETS, self._blocks]))
            self._draw_requests(begin, np.random.default_rng([self.seed, _REQUESTS, self._blocks]))
            self._blocks += 1

    def _draw_tweets(self, begin: int, rng: np.random.Generator) -> None:
        count = int(rng.poisson(self.config.tweets_per_hour * BLOCK_MS / HOUR_MS))
        uses, expected = self._hashtags.step(begin, count, rng)
        topic = draw(rng, self.authors.topic_share / self.authors.topic_share[-1], count)
        tag = np.full(count, NO_TAG, np.int64)
        tag[rng.permutation(count)[: len(uses)]] = uses
        tagged = tag != NO_TAG
        topic[tagged] = self._hashtags.topics[tag[tagged]]
        heat = np.zeros(count)
        heat[tagged] = expected[tag[tagged]] * 60_000 / BLOCK_MS
        created = begin + np.sort(rng.integers(0, BLOCK_MS, size=count))
        ids = ((created - 1_288_834_974_657) << _ID_SHIFT) + np.arange(count)
        author = self.authors.write(topic, rng)
        draft = Draft(ids, created, author, topic, tag, heat, rng.standard_normal(count))
        self._recent.add(ids, created, author=author, topic=topic, tag=tag, heat=heat, appeal=draft.appeal)
        self._tweets += self._writer.write(draft, rng)

    def _draw_requests(self, begin: int, rng: np.random.Generator) -> None:
        count = int(rng.poisson(self.config.requests_per_hour * BLOCK_MS / HOUR_MS))
        times = (begin + np.sort(rng.integers(0, BLOCK_MS, size=count))).tolist()
        for at_ms, viewer in zip(times, draw(rng, self._viewers.activity, count).tolist(), strict=True):
            candidates = self._candidates(viewer, at_ms, rng)
            if len(candidates) < _FEWEST_CANDIDATES:
                continue
            self._requests.append(
                TimelineRequest(
                    request_id=f"world-{self.seed}-{self.begin_ms // 1000}-{self._asked}",
                    viewer_id=FIRST_VIEWER + viewer,
                    at_ms=at_ms,
                    limit=self.config.limit,
                    candidates=candidates.tolist(),
                    provenance=self.provenance,
                )
            )
            self._asked += 1

    def _candidates(self, viewer: int, at_ms: int, rng: np.random.Generator) -> I64:
        """Rows of tweets of the last hours, newer ones likelier; up to half of them by followed authors."""
        recent, wanted = self._recent, self.config.candidates
        low, high = recent.number_at(at_ms - self.config.candidate_ms), recent.number_at(at_ms)
        back = rng.random(wanted * 40) ** 2 * (high - low)
        rows = (high - 1 - np.unique(back.astype(np.int64))) % recent.capacity
        rows = rows[: high - low]
        rng.shuffle(rows)
        followed = self._viewers.follows[viewer, recent.columns["author"][rows]]
        chosen = np.concatenate([rows[followed][: wanted // 2], rows[~followed]])[:wanted]
        rng.shuffle(chosen)
        return np.asarray(recent.ids[chosen], np.int64)


def _count_before(times: list[int], until_ms: int) -> int:
    return int(np.searchsorted(np.array(times, np.int64), until_ms))

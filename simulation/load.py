"""A load generator for benchmarks: encoded records, made fast, with engagements that the join can match.

A load comes in chunks of 1,000 tweets. Each chunk also has 20 requests, each with 100 candidates, and 1,000
engagements: 50 for each request of the *previous* chunk, with its request id, viewer and candidates. Candidates are
tweets of the same chunk, or, with `named_first`, the first tweets of the load, which the store then has already.
Texts are drawn from the simulated world once and reused; ids, authors, times and counts are new for every tweet.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from contracts.arrays import I64
from contracts.partitioning import record_key
from contracts.records import Action, Engagement, Provenance, TimelineRequest
from simulation.config import WorldConfig
from simulation.people import FIRST_VIEWER
from simulation.words import draw, zipf_cumulative
from simulation.world import World

CHUNK_TWEETS = 1_000
CHUNK_REQUESTS = 20
REQUEST_CANDIDATES = 100
REQUEST_ENGAGEMENTS = 50  # 40 seen, 10 likes
_SEEN = 40
_TEXTS = 20_000
_FIRST_ID = 1 << 60
_encoder = msgspec.json.Encoder()

KeyedBytes = tuple[list[bytes], list[bytes]]  # keys and values, of one length


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one stretch of event time, ready to send, and the time at which it ends."""

    tweets: KeyedBytes
    engagements: KeyedBytes
    requests: KeyedBytes
    end_ms: int


class Load:
    """Call `chunks(n)` as often as needed; time and ids continue.

    tweets_per_second: of event time. named_first: candidates come from the load's first `named_first` tweets; None:
    from the request's own chunk.
    """

    def __init__(
        self,
        seed: int,
        *,
        tweets_per_second: float = 20_000.0,
        named_first: int | None = None,
        config: WorldConfig | None = None,
    ) -> None:
        config = config or WorldConfig()
        world = World(config, seed)
        self._rng = np.random.default_rng([seed, 10])
        self._texts = _texts_of(world, _TEXTS)
        self._authors = world.authors
        self._activity = zipf_cumulative(config.authors, 0.9)
        self._viewers = config.viewers
        self._seed = seed
        self._gap_ms = 1_000.0 / tweets_per_second
        self._begin_ms = config.begin_ms
        self._made = 0
        self._named_first = named_first
        self._first_named = _FIRST_ID
        self._asked = 0
        self._open: list[TimelineRequest] = []
        self._author_of: I64 = np.zeros(0, np.int64)

    def pass_time(self, ms: int) -> None:
        """Skip `ms` of event time without events, so that later events are not late after a tick."""
        self._begin_ms += ms
        self._open = []

    def chunks(self, count: int) -> Iterator[Chunk]:
        """The next `count` chunks, in order of time."""
        for _ in range(count):
            tweets = self.fast_tweets(CHUNK_TWEETS)
            end_ms = self._time(self._made)
            engagements = self._engage(end_ms)
            yield Chunk(tweets, engagements, self._ask(end_ms), end_ms)

    def fast_tweets(self, count: int) -> KeyedBytes:
        """The next `count` tweets as (keys, JSON values)."""
        numbers = np.arange(self._made, self._made + count)
        authors = draw(self._rng, self._activity, count)
        self._name(authors)
        times = (self._begin_ms + numbers * self._gap_ms).astype(np.int64).tolist()
        ids = (_FIRST_ID + numbers).tolist()
        texts = [self._texts[i] for i in self._rng.integers(0, len(self._texts), size=count).tolist()]
        people = self._authors
        names, followers = people.names, people.followers.tolist()
        self._made += count
        values = [
            b'{"v":1,"id":%d,"created_ms":%d,"author_id":%d,"author":"%s","text":%s,"lang":"en",'
            b'"author_followers":%d,"author_following":300,"provenance":"simulated-world"}'
            % (i, at, people.ids[0] + author, names[author].encode(), text, followers[author])
            for i, at, author, text in zip(ids, times, authors.tolist(), texts, strict=True)
        ]
        return [b"%d" % i for i in ids], values

    def _name(self, authors: I64) -> None:
        """Update the tweets that later requests may name, and their authors."""
        known = np.concatenate([self._author_of, authors])
        if self._named_first is not None:
            self._author_of = known[: self._named_first]
        else:
            self._author_of = known[-CHUNK_TWEETS:]
            self._first_named = _FIRST_ID + self._made + len(authors) - len(self._author_of)

    def _ask(self, end_ms: int) -> KeyedBytes:
        newest = self._first_named
        self._open = []
        for viewer in self._rng.integers(0, self._viewers, size=CHUNK_REQUESTS).tolist():
            places = self._rng.choice(len(self._author_of), size=REQUEST_CANDIDATES, replace=False)
            self._open.append(
                TimelineRequest(
                    request_id=f"load-{self._seed}-{self._asked}",
                    viewer_id=FIRST_VIEWER + viewer,
                    at_ms=end_ms,
                    limit=REQUEST_CANDIDATES,
                    candidates=(newest + places).tolist(),
                    provenance=Provenance.SIMULATED_WORLD,
                )
            )
            self._asked += 1
        self._authors_then = dict(enumerate(self._author_of.tolist(), start=newest))
        return [record_key(ask.viewer_id) for ask in self._open], [_encoder.encode(ask) for ask in self._open]

    def _engage(self, end_ms: int) -> KeyedBytes:
        """Reactions to the requests of the previous chunk, all before `end_ms`."""
        keys, values = [], []
        for ask in self._open:
            at = np.sort(self._rng.integers(ask.at_ms, end_ms, size=REQUEST_ENGAGEMENTS)).tolist()
            candidates = ask.candidates or []
            shown = [*range(_SEEN), *self._rng.choice(_SEEN, REQUEST_ENGAGEMENTS - _SEEN, replace=False).tolist()]
            for i, place in enumerate(shown):
                keys.append(record_key(ask.viewer_id))
                values.append(
                    _encoder.encode(
                        Engagement(
                            viewer_id=ask.viewer_id,
                            tweet_id=candidates[place],
                            at_ms=at[i],
                            position=place,
                            author_id=int(self._authors.ids[self._authors_then[candidates[place]]]),
                            action=Action.SEEN if i < _SEEN else Action.LIKE,
                            request_id=ask.request_id,
                            provenance=Provenance.SIMULATED_WORLD,
                        )
                    )
                )
        return keys, values

    def _time(self, number: int) -> int:
        return self._begin_ms + int(number * self._gap_ms)


def _texts_of(world: World, count: int) -> list[bytes]:
    """Texts of the world's first tweets, as JSON strings."""
    texts: list[bytes] = []
    until = world.begin_ms
    while len(texts) < count:
        until += 60_000
        texts += [_encoder.encode(tweet.text) for tweet in world.tweets(until)]
    return texts[:count]

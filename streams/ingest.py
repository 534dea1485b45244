"""tweets -> vocab-counts, bin-counts, feature-updates; and the tweets' records in Redis.

One batch is decoded once, tokenized once, counted as arrays, and written once to each sink. The hop keeps no counts:
what it counted goes out in the batch's own transaction, so its state is the clock and the recent tweet ids.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray
from redis.asyncio import Redis

from contracts.codec import encode
from contracts.records import Tweet
from contracts.settings import Settings
from contracts.topics import BIN_COUNTS, FEATURE_UPDATES, TWEETS, VOCAB_COUNTS
from featurestore.bin_sketch import BinCounter
from featurestore.counters import aggregate_posts, route
from featurestore.store_writer import write_tweets
from featurestore.tweet_records import tweet_dense
from streams.batches import EventBatch, decode_batch, decode_tweet, observe_times
from streams.watermark import Watermark
from transport.duplicates import RecentIdentities
from transport.metrics import DUPLICATES
from transport.processor import Output
from vocab.counting import SourceCounter
from vocab.tokenizer import Tokenizer


class IngestProcessor:
    """State of one partition of `tweets`: its clock, and which tweets it has had."""

    def __init__(self, settings: Settings, partition: int, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        self._watermark = Watermark(settings.time)
        self._duplicates = RecentIdentities(settings.features.duplicate_horizon)
        self._tokenizer = Tokenizer()
        self._vocab_counter = SourceCounter(TWEETS.name, partition, VOCAB_COUNTS.partitions)
        self._bin_counter = BinCounter(TWEETS.name, partition)

    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Take up the clock; have the ids of recent tweets re-read."""
        if TWEETS.name not in committed:
            return {}
        offset, metadata = committed[TWEETS.name]
        self._watermark.restore(msgspec.json.decode(metadata))
        return {TWEETS.name: self._duplicates.rebuild_from(offset)}

    async def replay(self, records: Sequence[ConsumerRecord]) -> None:
        """Learn which tweets there were."""
        self._drop_repeats(decode_batch(TWEETS, records, decode_tweet))

    async def process(self, records: Sequence[ConsumerRecord]) -> Sequence[Output]:
        """Counts of the batch, the windows that it closed, and its dead letters."""
        batch = decode_batch(TWEETS, records, decode_tweet)
        self._drop_repeats(batch)
        closed_before = self._watermark.closed_through
        created_ms = np.array([tweet.created_ms for tweet in batch.events], np.int64)
        authors = np.array([tweet.author_id for tweet in batch.events], np.uint64)
        seen = observe_times(batch, self._watermark, created_ms, authors)
        outputs = await self._count(batch.events, seen.windows, closed_before) if batch.events else []
        return [*outputs, *self._close(closed_before), *batch.letters]

    def metadata(self) -> str:
        """The clock."""
        return msgspec.json.encode(self._watermark.to_dict()).decode()

    def paused(self) -> frozenset[str]:
        """Never: nothing is held back."""
        return frozenset()

    def _drop_repeats(self, batch: EventBatch[Tweet]) -> None:
        """A tweet is known by its id, whatever else a second copy of it says."""
        offsets = [record.offset for record in batch.records]
        repeats = self._duplicates.repeats([tweet.id for tweet in batch.events], offsets)
        if any(repeats):
            DUPLICATES.labels(topic=TWEETS.name).inc(sum(repeats))
            batch.keep([not repeat for repeat in repeats])

    async def _count(self, tweets: Sequence[Tweet], windows: NDArray[np.int64], closed_before: int) -> list[Output]:
        tokens = self._tokenizer.tokenize(tweets)
        closed = self._watermark.closed_through
        outputs = [
            Output(VOCAB_COUNTS.name, encode(frame), partition=owner)
            for owner, frame in self._vocab_counter.count(tokens, windows, self._tokenizer, closed)
        ]
        records = await write_tweets(self._redis, self._settings, tweets, tokens)
        outputs += [
            Output(BIN_COUNTS.name, encode(frame), partition=0)
            for frame in self._bin_counter.count_tweets(tweet_dense(records), windows, closed_before)
        ]
        posts = aggregate_posts(
            records["author_id"].astype(np.uint64),
            records["created_ms"].astype(np.int64),
            self._settings.features.pane_ms,
        )
        return outputs + [
            Output(FEATURE_UPDATES.name, encode(updates), partition=owner) for owner, updates in route(posts)
        ]

    def _close(self, closed_before: int) -> list[Output]:
        """Markers of the windows that this batch closed; they come after its counts."""
        closed = self._watermark.closed_through
        if closed == closed_before:
            return []
        return [
            Output(VOCAB_COUNTS.name, encode(marker), partition=owner)
            for owner, marker in self._vocab_counter.markers(closed)
        ] + [Output(BIN_COUNTS.name, encode(self._bin_counter.marker(closed)), partition=0)]

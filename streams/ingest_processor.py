"""tweets -> vocab-counts, bin-counts, feature-updates; and the tweets' records in Redis.

One batch is decoded once, tokenized once, counted as arrays, and written once to each sink. The hop keeps no counts,
because they leave in the batch's own transaction. So its state is the clock and the recent tweet ids.

Vocabulary settings reach the owners through partition 0. They hold from a window that this source has not closed, and
owners decide a window only once every source has closed it. So the settings reach every owner in time. The
partition's first batch sends its worker's settings; later settings come from the log (`vocab_settings.py`).
"""

import itertools
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from contracts.arrays import I64
from contracts.codec import serialize
from contracts.errors import SettingsError
from contracts.records import SETTINGS_KEY, SETTINGS_PARTITION, Tweet
from contracts.settings import Settings
from contracts.topics import BIN_COUNTS, FEATURE_UPDATES, TWEETS, VOCAB_COUNTS
from eventtime.watermark import Watermark
from featurestore.bins.counter import BinCounter
from featurestore.store.counters import aggregate_posts, route
from featurestore.store.tweet_records import tweet_dense
from featurestore.store.writer import write_tweets
from sources.decode_tweet import decode_tweet
from streams.event_batch import EventBatch
from streams.event_source import EventSource, SourceMetadata
from streams.tweet_view import TweetView
from streams.vocab_settings import pass_on, to_owners
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import LogRecord
from transport.ports.redis import Redis
from transport.processor import Output, Position, Processor
from vocab.rules import configured
from vocab.source_counter import SourceCounter
from vocab.tokens.tokenizer import Tokenizer


class IngestMetadata(SourceMetadata, frozen=True, kw_only=True):
    """The source's metadata, the number of virtual shards that keys are counted into, and whether the worker's
    vocabulary settings were sent to the owners."""

    shards: int
    settings_sent: bool


def first_metadata(settings: Settings) -> str:
    """The metadata of a source that has read nothing, in an installation whose owners have their settings."""
    clock = Watermark(settings.time).state
    metadata = IngestMetadata(clock=clock, marks=[], shards=settings.vocab.shards, settings_sent=True)
    return msgspec.json.encode(metadata).decode()


class IngestProcessor(Processor):
    """The state of one partition of `tweets`: its clock, and which tweets were already processed."""

    def __init__(self, settings: Settings, kafka: Kafka, partition: int, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        self._source = _source_of(settings)
        self._tokenizer = Tokenizer()
        self._view = TweetView(settings, kafka, partition, redis, self._tokenizer)
        self._shown = 0  # tweets of offsets before this are in Redis
        self._vocab_counter = SourceCounter(
            TWEETS.name, partition, VOCAB_COUNTS.partitions(settings), settings.vocab.shards
        )
        self._bin_counter = BinCounter(TWEETS.name, partition)
        self._partition = partition
        self._settings_sent = partition != SETTINGS_PARTITION

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Restore the clock, and ask to re-read recent tweets, so that their repeats are recognized.

        Raises `SettingsError` if keys were counted into another number of shards than the settings say: the owners of
        the present shards would not know those keys.
        """
        metadata = msgspec.json.decode(committed[TWEETS.name].metadata, type=IngestMetadata)
        if metadata.shards != self._settings.vocab.shards:
            raise SettingsError(
                f"tweets are counted into {metadata.shards} virtual shards here, but vocab.shards is "
                f"{self._settings.vocab.shards}: set vocab.name and vocab.shards to the present vocabulary's; "
                "another number makes a new one, with `driftline vocab reshard`"
            )
        self._settings_sent = metadata.settings_sent
        at = committed[TWEETS.name]
        self._shown = max(await self._view.find(at.offset), at.readable_from)
        again = self._source.resume(committed)
        replayed = again.get(TWEETS.name, at.offset)
        if self._shown < replayed:
            source = _source_of(self._settings)
            await self._view.rewrite(lambda records: self._replay(source, records), self._shown, replayed)
            self._shown = replayed
        return again

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Learn which tweets were already processed, and write those that Redis lacks."""
        batch, reached = self._replay(self._source, records), records[-1].offset + 1
        if reached > self._shown:
            await self._view.write(batch, self._shown, reached)

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """The batch's counts, markers of the windows that it closed, and its dead letters."""
        await self._view.check()
        outputs: list[Output] = []
        if not self._settings_sent:
            outputs += to_owners(self._settings, configured(self._settings.vocab), closed_through=-1)
            self._settings_sent = True
        for is_settings, part in itertools.groupby(records, self._is_settings):
            if is_settings:
                outputs += pass_on(self._settings, part, self._source.clock.closed_through)
            else:
                outputs += await self._process_events(list(part))
        await self._view.reach(records[-1].offset + 1)
        return outputs

    async def look_after(self) -> None:
        """Notice a Redis that was wiped or has lost writes, also while there is nothing to write."""
        await self._view.check()
        await self._view.whole()

    async def _process_events(self, records: Sequence[LogRecord]) -> list[Output]:
        batch, windows, closed_before = self._source.take(records)
        outputs = await self._count(batch.events, windows, closed_before) if batch.events else []
        return [*outputs, *self._close(closed_before), *batch.letters]

    def _replay(self, source: EventSource[Tweet], records: Sequence[LogRecord]) -> EventBatch[Tweet]:
        return source.replay([record for record in records if not self._is_settings(record)])

    def _is_settings(self, record: LogRecord) -> bool:
        return self._partition == SETTINGS_PARTITION and record.key == SETTINGS_KEY

    def metadata(self) -> str:
        """The clock now and where a restart begins to read, and what `IngestMetadata` adds."""
        metadata = IngestMetadata(
            **msgspec.structs.asdict(self._source.position()),
            shards=self._settings.vocab.shards,
            settings_sent=self._settings_sent,
        )
        return msgspec.json.encode(metadata).decode()

    async def _count(self, tweets: Sequence[Tweet], windows: I64, closed_before: int) -> list[Output]:
        tokens = self._tokenizer.tokenize(tweets)
        closed = self._source.clock.closed_through
        outputs = [
            Output(VOCAB_COUNTS.name, serialize(frame), partition=owner)
            for owner, frame in self._vocab_counter.count(tokens, windows, closed)
        ]
        records = await write_tweets(self._redis, self._settings, tweets, tokens)
        outputs += [
            Output(BIN_COUNTS.name, serialize(frame), partition=0)
            for frame in self._bin_counter.count_tweets(tweet_dense(records), windows, closed_before)
        ]
        posts = aggregate_posts(
            records["author_id"].astype(np.uint64),
            records["created_ms"].astype(np.int64),
            self._settings.features.pane_ms,
        )
        return outputs + [
            Output(FEATURE_UPDATES.name, serialize(updates), partition=owner)
            for owner, updates in route(posts, FEATURE_UPDATES.partitions(self._settings))
        ]

    def _close(self, closed_before: int) -> list[Output]:
        """Markers of the windows that this batch closed; they come after its counts."""
        closed = self._source.clock.closed_through
        if closed == closed_before:
            return []
        return [
            Output(VOCAB_COUNTS.name, serialize(marker), partition=owner)
            for owner, marker in self._vocab_counter.markers(closed)
        ] + [Output(BIN_COUNTS.name, serialize(self._bin_counter.marker(closed)), partition=0)]


def _source_of(settings: Settings) -> EventSource[Tweet]:
    return EventSource(settings, TWEETS, decode_tweet, _times_of, _identities_of)


def _times_of(tweets: Sequence[Tweet]) -> I64:
    return np.array([tweet.created_ms for tweet in tweets], np.int64)


def _identities_of(batch: EventBatch[Tweet]) -> list[int]:
    """The tweets' ids: two copies of a tweet are the same tweet, whatever else differs."""
    return [tweet.id for tweet in batch.events]

"""The records of one partition's tweets in Redis, and how far into `tweets` they go.

Ingest writes the records, then their offset. If that offset is behind ingest's own, Redis was wiped or has lost its
newest writes, and the tweets since are written again: those that ingest believed and had not had before, as it wrote
them the first time. What it had refused stays out, and the first copy of an id stays.
"""

from collections.abc import Callable, Sequence

from contracts.errors import ServerUnavailable
from contracts.records import Tweet
from contracts.settings import Settings
from contracts.topics import TWEETS
from featurestore.store.redis_layout import Keys
from featurestore.store.whole import WholeMark
from featurestore.store.writer import write_tweets
from streams.event_batch import EventBatch
from transport.kafka.state_log import read_partition
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import LogRecord
from transport.ports.redis import Redis
from vocab.tokens.tokenizer import Tokenizer

Replay = Callable[[Sequence[LogRecord]], EventBatch[Tweet]]


class TweetView:
    """What partition `partition` of `tweets` has put into Redis. Raises `ServerUnavailable` if Redis fails."""

    def __init__(self, settings: Settings, kafka: Kafka, partition: int, redis: Redis, tokenizer: Tokenizer) -> None:
        self._settings = settings
        self._kafka = kafka
        self._partition = partition
        self._redis = redis
        self._key = Keys(settings).ingested(partition)
        self._tokenizer = tokenizer
        self._mark = WholeMark(redis, Keys(settings).whole_tweets(partition), f"tweets of partition {partition}")
        self._reached = 0  # what Redis must hold at least

    async def find(self, committed: int) -> int:
        """The offset of the first tweet that Redis may not hold, of those before offset `committed`."""
        self._reached = await self._position()
        if self._reached < committed:
            await self._mark.withdraw(self._reached, committed)
        return self._reached

    async def check(self) -> None:
        """Raises `ServerUnavailable` if Redis has lost tweets: after that the hop resumes, and writes them again."""
        if await self._position() < self._reached:
            raise ServerUnavailable(
                f"Redis has lost tweets of partition {self._partition}; they are written again from the log"
            )

    async def whole(self) -> None:
        """Nothing that was lost is left to write."""
        await self._mark.give()

    async def reach(self, offset: int) -> None:
        """Everything before `offset` is written."""
        await self._redis.set_if_newer([], [], self._settings.features.tweet_ttl_s, (self._key, offset))
        self._reached = max(self._reached, offset)
        self._mark.reached(offset)

    async def write(self, batch: EventBatch[Tweet], begin: int, end: int) -> None:
        """Write again the batch's tweets of offsets begin to end, which are all that Redis lacks before `end`."""
        placed = zip(batch.events, batch.records, strict=True)
        tweets = [tweet for tweet, record in placed if begin <= record.offset < end]
        if tweets:
            await write_tweets(self._redis, self._settings, tweets, self._tokenizer.tokenize(tweets))
        await self.reach(end)

    async def rewrite(self, replay: Replay, begin: int, end: int) -> None:
        """Write again the tweets of offsets begin to end.

        replay: of a new source. It reads some records before `begin`, to recognize repeats of them. It believes what
        ingest believed, except that it does not know a declaration of event time that retention has deleted.
        """
        first = max(0, begin - self._settings.features.duplicate_horizon)
        async for records in read_partition(self._kafka, TWEETS, self._partition, first):
            await self.write(replay(records), begin, min(records[-1].offset + 1, end))
            if records[-1].offset >= end:
                break
        await self.reach(end)

    async def _position(self) -> int:
        (found,) = await self._redis.mget([self._key])
        return int(found or 0)

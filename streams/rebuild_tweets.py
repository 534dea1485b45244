"""Writes the tweets' records to Redis again, from the log, after Redis was wiped."""

import logging

from contracts.settings import Settings
from contracts.topics import TWEETS
from featurestore.store.writer import write_tweets
from streams.event_batch import decode_batch, decode_tweet
from transport.kafka.state_log import read_partition
from transport.ports.kafka import Kafka
from transport.ports.redis import Redis
from vocab.tokens.tokenizer import Tokenizer

log = logging.getLogger(__name__)


async def rebuild_tweets(settings: Settings, kafka: Kafka, partition: int, redis: Redis) -> None:
    """Write every tweet that partition `partition` of `tweets` still holds. The records expire as usual."""
    tokenizer = Tokenizer()
    written = 0
    async for records in read_partition(kafka, TWEETS, partition):
        tweets = decode_batch(TWEETS, records, decode_tweet).events
        await write_tweets(redis, settings, tweets, tokenizer.tokenize(tweets))
        written += len(tweets)
    log.info("rewrote %d tweets of partition %d to Redis", written, partition)

"""A record that compresses into little and whose dead letter would be huge does not stop its hop."""

import asyncio
import hashlib

from aiokafka import AIOKafkaProducer

from contracts.codec import Codec, serialize
from contracts.records import Action, DeadLetter, Engagement
from contracts.settings import Settings
from contracts.topics import ENGAGEMENTS, FEATURE_UPDATES, HOP_STARTS, dead_letters
from driftline.inspect.dead_letter_log import replay
from streams.engagement_processor import EngagementProcessor
from tests.support.installation import PARTITIONS
from tests.support.pipeline_runs import BEGIN_MS, read_all
from tests.support.transport_hops import drained
from transport.dead_letters import MAX_KEY_BYTES, MAX_VALUE_BYTES
from transport.hop.hop import ExactlyOnceHop
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster

HUGE = b"{" + b" " * (30 << 20)


async def test_a_huge_record_becomes_a_letter_that_says_what_it_was(settings: Settings) -> None:
    kafka_admin.apply(settings, [ENGAGEMENTS, FEATURE_UPDATES, HOP_STARTS, dead_letters(ENGAGEMENTS)])
    after = Engagement(viewer_id=1, tweet_id=1, author_id=1, action=Action.LIKE, at_ms=BEGIN_MS)
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka, compression_type="zstd", max_request_size=64 << 20, max_batch_size=64 << 20
    ) as producer:
        topic = settings.prefix + ENGAGEMENTS.name
        for key, value in ((b"1", HUGE), (b"k" * (MAX_KEY_BYTES + 1), b"{"), (b"1", serialize(after))):
            await producer.send_and_wait(topic, value, key, partition=0)
    hop = ExactlyOnceHop(
        KafkaCluster(settings),
        "engagements",
        [ENGAGEMENTS],
        lambda p: EngagementProcessor(settings, p),
        partitions=PARTITIONS,
    )
    running = asyncio.create_task(hop.run())
    await drained(settings, "engagements", [ENGAGEMENTS])
    await hop.stop()
    await running
    records = read_all(settings, dead_letters(ENGAGEMENTS))
    huge, long_key = (Codec(DeadLetter).deserialize(record.value or b"") for record in records)
    assert huge.value == HUGE[:MAX_VALUE_BYTES]
    assert huge.cut is not None
    assert (huge.cut.bytes, huge.cut.sha256) == (len(HUGE), hashlib.sha256(HUGE).hexdigest())
    assert (long_key.key, long_key.value, long_key.cut) == (None, b"{", None)
    assert len(read_all(settings, FEATURE_UPDATES)) > 0
    assert replay(settings, topic=ENGAGEMENTS.name, dry_run=True).not_replayable == 1

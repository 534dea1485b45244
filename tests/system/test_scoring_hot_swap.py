"""The topic of models is followed from its beginning, and on."""

import asyncio

import msgspec

from contracts.codec import serialize
from contracts.settings import VocabSettings
from contracts.topics import MODELS
from scoring.hot_swap import ModelFollower
from tests.support.scoring_samples import save_snapshot
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.kafka.writer import KafkaWriter

SMALL = VocabSettings.uniform(capacity=128, rare_slots=64)


def version_of(follower):
    return None if follower.current is None else follower.current.manifest.version


async def until(condition, seconds=30):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_topic_is_followed_from_its_beginning_and_on(settings):
    settings = msgspec.structs.replace(settings, vocab=SMALL)
    kafka_admin.apply(settings, [MODELS])
    async with KafkaWriter(settings) as writer:

        async def publish(version):
            await writer.send(MODELS, b"timeline", serialize(save_snapshot(settings, version)))
            await writer.flush()

        await publish(1)
        await publish(2)
        follower = ModelFollower(settings)
        task = asyncio.create_task(follower.run(KafkaCluster(settings)))
        try:
            await asyncio.wait_for(follower.caught_up(), 30)
            assert version_of(follower) == 2
            await publish(3)
            await until(lambda: version_of(follower) == 3)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_an_empty_topic_is_caught_up_with_at_once(settings):
    kafka_admin.apply(settings, [MODELS])
    follower = ModelFollower(settings)
    task = asyncio.create_task(follower.run(KafkaCluster(settings)))
    try:
        await asyncio.wait_for(follower.caught_up(), 30)
        assert follower.current is None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

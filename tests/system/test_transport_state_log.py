"""The newest committed state of a partition: deleted keys gone, aborted and unfinished writes never seen."""

from aiokafka import AIOKafkaProducer

from contracts.settings import Settings
from contracts.topics import VOCAB_STATE
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.kafka.state_log import read_latest


async def test_an_empty_partition_has_no_state(settings: Settings) -> None:
    kafka_admin.apply(settings, [VOCAB_STATE])
    assert await read_latest(KafkaCluster(settings), VOCAB_STATE, 3) == {}


async def test_the_last_committed_value_of_each_key_is_read(settings: Settings) -> None:
    kafka_admin.apply(settings, [VOCAB_STATE])
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka, transactional_id=settings.prefix + "owner")

    async def send(**pairs: bytes | None) -> None:
        for key, value in pairs.items():
            await producer.send(settings.prefix + VOCAB_STATE.name, value, key=key.encode(), partition=1)
        await producer.flush()

    async with producer:
        async with producer.transaction():
            await send(a=b"1", b=b"1", c=b"1")
        async with producer.transaction():
            await send(a=b"2", b=None)
        await producer.begin_transaction()
        await send(a=b"aborted", d=b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await send(e=b"1" * 100_000)
        await producer.begin_transaction()
        await send(c=b"unfinished")
        latest = await read_latest(KafkaCluster(settings), VOCAB_STATE, 1)
        await producer.abort_transaction()
    assert latest == {b"a": b"2", b"c": b"1", b"e": b"1" * 100_000}

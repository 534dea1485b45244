"""Both writers of single records: Kafka's partitioner, order within a partition, ticks, failures that surface."""

import random

import pytest

from contracts import partitioning
from contracts.codec import Codec
from contracts.records import Tick
from contracts.settings import Settings
from contracts.topics import ENGAGEMENTS, TWEETS
from eventtime.ticks import TICK_KEY
from tests.support.installation import PARTITIONS
from tests.support.transport_hops import read_visible
from transport.kafka import admin as kafka_admin
from transport.kafka import clients as kafka_clients
from transport.kafka.publisher import KafkaPublisher
from transport.kafka.record_writer import WriteFailed
from transport.kafka.writer import KafkaWriter

Writer = KafkaWriter | KafkaPublisher


WRITERS = pytest.mark.parametrize("writer_type", [KafkaWriter, KafkaPublisher])


@WRITERS
async def test_keys_land_where_other_clients_send_them_and_keep_their_order(
    settings: Settings, writer_type: type[Writer]
) -> None:
    kafka_admin.apply(settings, [TWEETS, ENGAGEMENTS])
    keys = [b"%d" % (number * 7919) for number in range(500)]
    async with writer_type(settings) as writer:
        for key in keys:
            await writer.send(TWEETS, key, key)
    producer = kafka_clients.producer(settings)
    for key in keys:
        producer.send(settings.prefix + ENGAGEMENTS.name, key, key=key)
    producer.close()
    ours, theirs = await read_visible(settings, TWEETS), await read_visible(settings, ENGAGEMENTS)
    for number in range(PARTITIONS):
        expected = [key for key in keys if partitioning.partition_of(key, PARTITIONS) == number]
        assert [record.key for record in ours[number]] == expected
        assert [record.key for record in theirs[number]] == expected


@WRITERS
async def test_batches_larger_than_one_request_arrive_whole_and_in_order(
    settings: Settings, writer_type: type[Writer]
) -> None:
    kafka_admin.apply(settings, [TWEETS])
    values = [b"%08d" % number * 40 for number in range(6_000)]
    async with writer_type(settings) as writer:
        for value in values:
            await writer.send(TWEETS, None, value, partition=2)
        await writer.flush()
        assert [record.value for record in (await read_visible(settings, TWEETS))[2]] == values


@WRITERS
async def test_records_without_a_key_spread_and_linger_only_shortly(
    settings: Settings, writer_type: type[Writer]
) -> None:
    kafka_admin.apply(settings, [TWEETS])
    async with writer_type(settings) as writer:
        for _ in range(8):
            await writer.send(TWEETS, None, b"x")
        while sum(map(len, (await read_visible(settings, TWEETS)).values())) < 8:
            pass  # without a flush
    assert [len(records) for records in (await read_visible(settings, TWEETS)).values()] == [2] * 4


@WRITERS
async def test_a_tick_reaches_every_partition(settings: Settings, writer_type: type[Writer]) -> None:
    kafka_admin.apply(settings, [TWEETS, ENGAGEMENTS])
    async with writer_type(settings) as writer:
        await writer.send_tick([TWEETS, ENGAGEMENTS], 1_700_000_000_000)
    for topic in (TWEETS, ENGAGEMENTS):
        for records in (await read_visible(settings, topic)).values():
            assert [(record.key, Codec(Tick).deserialize(record.value)) for record in records] == [
                (TICK_KEY, Tick(tick_ms=1_700_000_000_000))
            ]


@WRITERS
async def test_a_record_that_the_broker_refuses_is_reported_at_the_latest_at_the_end(
    settings: Settings, writer_type: type[Writer]
) -> None:
    kafka_admin.apply(settings, [TWEETS])
    with pytest.raises(WriteFailed, match="MessageSizeTooLarge"):
        async with writer_type(settings) as writer:
            await writer.send(TWEETS, b"1", random.Random(1).randbytes(2 * TWEETS.max_message_bytes))

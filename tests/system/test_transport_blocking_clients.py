"""The blocking clients on a real Kafka: what is not read from keeps its place."""

import contextlib

import pytest

from contracts.settings import Settings
from contracts.topics import ENGAGEMENTS, TWEETS
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka import BlockingConsumer
from transport.ports.kafka_records import LogRecord, OffsetOutOfRange, Output, TopicPartition

FIRST, SECOND = TopicPartition(TWEETS.name, 0), TopicPartition(TWEETS.name, 1)


def read_for_a_while(consumer: BlockingConsumer) -> None:
    for _ in range(20):
        consumer.read([FIRST], 4, 0.5)


def test_a_partition_that_is_left_for_a_while_goes_on_where_it_was(settings: Settings) -> None:
    kafka_admin.apply(settings, [TWEETS])
    kafka = KafkaCluster(settings)
    outputs = [Output(TWEETS.name, b"%d" % i, partition=at.partition) for i in range(30) for at in (FIRST, SECOND)]
    with contextlib.closing(kafka.producer()) as producer, contextlib.closing(kafka.blocking_consumer()) as consumer:
        producer.deliver(outputs)
        assert consumer.partitions(TWEETS.name) == [0, 1, 2, 3]
        assert consumer.partitions(ENGAGEMENTS.name) == []
        assert consumer.begins([FIRST]) == {FIRST: 0}
        assert consumer.ends([FIRST, SECOND]) == {FIRST: 30, SECOND: 30}
        consumer.assign({FIRST: 0, SECOND: 5})
        found: dict[TopicPartition, list[LogRecord]] = {FIRST: [], SECOND: []}
        # Both by turns and together, a few records at a time: whatever was fetched ahead of the turn is read again.
        for turn in range(1_000):
            chosen = ([FIRST], [SECOND], [FIRST, SECOND])[turn % 3]
            for at, records in consumer.read(chosen, 4, 0.2).items():
                assert at in chosen
                found[at] += records
            if (consumer.position(FIRST), consumer.position(SECOND)) == (30, 30):
                break
        assert {(record.topic, record.partition) for record in found[SECOND]} == {SECOND}
        assert [record.offset for record in found[FIRST]] == list(range(30))
        assert [record.value for record in found[SECOND]] == [b"%d" % i for i in range(5, 30)]
        consumer.assign({FIRST: 31})
        with pytest.raises(OffsetOutOfRange, match="DRIFTLINE_KAFKA"):
            read_for_a_while(consumer)

"""Every client of every language puts a key on the same partition."""

import pytest
from aiokafka.partitioner import DefaultPartitioner as AiokafkaPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import DefaultPartitioner
from kafka.partitioner.default import murmur2 as kafka_python_murmur2

from contracts.partitioning import murmur2, partition_of, record_key
from tests.support.unhurried import unhurried


# Kafka's own test, org.apache.kafka.common.utils.UtilsTest.testMurmur2.
@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        (b"abc", 479_470_107),
    ],
)
def test_murmur2_gives_the_values_of_kafkas_own_test(key, signed):
    assert murmur2(key) == signed % 2**32


def test_ids_are_keyed_by_their_decimal_digits_and_stay_on_their_partitions():
    assert [record_key(entity) for entity in (0, 17, 2**63 - 1)] == [b"0", b"17", b"9223372036854775807"]
    assert [partition_of(record_key(entity), 4) for entity in range(16)] == [
        0,
        3,
        0,
        3,
        1,
        2,
        2,
        3,
        3,
        3,
        2,
        0,
        2,
        3,
        3,
        2,
    ]


@unhurried
@given(st.binary(max_size=64))
def test_the_clients_hash_alike(key):
    assert murmur2(key) == kafka_python_murmur2(key) % 2**32 == aiokafka_murmur2(key) % 2**32


class _Cluster:
    """As much of a cluster's metadata as kafka-python's partitioner asks for."""

    def __init__(self, partitions: int) -> None:
        self.all = set(range(partitions))

    def topics(self) -> set[str]:
        return {"tweets"}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return self.all

    available_partitions_for_topic = partitions_for_topic


@unhurried
@given(st.integers(0, 2**63 - 1), st.integers(1, 64))
def test_the_clients_choose_the_same_partition(entity, partitions):
    key, everywhere = record_key(entity), list(range(partitions))
    chosen = DefaultPartitioner().partition("tweets", entity, key, None, None, _Cluster(partitions))
    assert partition_of(key, partitions) == chosen == AiokafkaPartitioner()(key, everywhere, everywhere)

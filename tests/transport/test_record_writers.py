"""The writers' partitioner is the contract's, and a broker that is not there is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import partitioning
from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from transport.kafka import partitioner
from transport.kafka.publisher import KafkaPublisher
from transport.kafka.writer import KafkaWriter

Writer = KafkaWriter | KafkaPublisher


WRITERS = pytest.mark.parametrize("writer_type", [KafkaWriter, KafkaPublisher])


@given(st.binary(max_size=300), st.integers(1, 64))
def test_the_fast_partitioner_agrees_with_the_contract(key: bytes, partitions: int) -> None:
    assert partitioner.partition_of.__wrapped__ is not partitioning.partition_of
    assert partitioner.partition_of(key, partitions) == partitioning.partition_of(key, partitions)


@WRITERS
async def test_a_broker_that_is_not_there_is_named(writer_type: type[Writer]) -> None:
    with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:1 \(setting DRIFTLINE_KAFKA\)"):
        async with writer_type(Settings(kafka="127.0.0.1:1")):
            pass

"""Declares who moves event time: the same record on every partition that has a clock, in one transaction.

The newest declaration is also the last record of the topic `event-time`, where its epoch is taken from. Whoever
declares owns one transactional id, so of two that declare at once, the later fences the other.
"""

from contracts.codec import Codec, serialize
from contracts.records import TimeDeclared, TimeMode
from contracts.settings import Settings
from contracts.topics import EVENT_TIME
from eventtime.declarations import DECLARATION_KEY, DECLARED_ON
from transport.kafka.state_log import read_partition
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import Output

_deserialize = Codec(TimeDeclared).deserialize


async def declare_time(settings: Settings, kafka: Kafka, mode: TimeMode, writer: str) -> TimeDeclared:
    """Declare `mode` on all partitions, and return the declaration, whose epoch is higher than all before.

    settings: the installation's. writer: the program that declares, for people. Raises `ServerUnavailable`,
    `KafkaFailed`, `Fenced` (another program declared at the same time) and `BadRecord` (a record of another kind on
    `event-time`).
    """
    async with kafka.own(EVENT_TIME.name, 0) as producer:
        newest = await newest_declaration(kafka)
        declared = TimeDeclared(mode=mode, epoch=newest.epoch + 1 if newest else 1, writer=writer)
        value = serialize(declared)
        outputs = [Output(EVENT_TIME.name, value, key=DECLARATION_KEY, partition=0)]
        for topic in DECLARED_ON:
            for partition in range(topic.partitions(settings)):
                outputs.append(Output(topic.name, value, key=DECLARATION_KEY, partition=partition))  # noqa: PERF401
        await producer.commit(outputs, {})
    return declared


async def newest_declaration(kafka: Kafka) -> TimeDeclared | None:
    """The declaration in force; None if there was none yet, so that event time is live.

    Raises `ServerUnavailable`, and `BadRecord` for a record of another kind.
    """
    newest = None
    async for records in read_partition(kafka, EVENT_TIME, 0):
        newest = _deserialize(records[-1].value or b"")
    return newest

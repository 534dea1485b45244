"""Records of our own from those that aiokafka and kafka-python return, whose fields have the same names."""

from collections.abc import Mapping, Sequence
from typing import Any

from transport.ports.kafka_records import LogRecord, TopicPartition


def log_records(found: Mapping[tuple[str, int], Sequence[Any]], prefix: str) -> dict[TopicPartition, list[LogRecord]]:
    """What a poll found, by partition. `prefix`, the installation's, is taken off the topics' names."""
    result = {}
    for (name, number), records in found.items():
        topic = name.removeprefix(prefix)
        result[TopicPartition(topic, number)] = [
            LogRecord(topic, number, record.offset, record.timestamp, record.key, record.value) for record in records
        ]
    return result

"""What passes through the ports of Kafka: records, places in a log, and errors."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from contracts.errors import DriftlineError


class KafkaFailed(DriftlineError):
    """The broker or its client refused a call, or did not get through; another attempt may well succeed."""


class OffsetOutOfRange(KafkaFailed):
    """The log does not hold the position: retention has overtaken it, or the topic was made anew."""


class ConsumerLost(DriftlineError):
    """The consumer failed for good; close it and make another."""


class Fenced(DriftlineError):
    """A younger owner of the transactional id has begun: nothing of ours can be committed any more."""


class TopicPartition(NamedTuple):
    """One log."""

    topic: str
    partition: int


class Committed(NamedTuple):
    """What a group committed of a partition: the offset of the next record to process, and its words beside it."""

    offset: int
    metadata: str


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """One record as the log has it.

    timestamp: ms since 1970; the broker's clock at appending on topics of LogAppendTime, the producer's on others.
    value: None is a tombstone.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Output:
    """One record to send. Its partition: as given, else the key's (murmur2), else any."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None

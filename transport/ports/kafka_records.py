"""What passes through the Kafka ports: records, positions in a log, and errors."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from contracts.errors import DriftlineError


class KafkaFailed(DriftlineError):
    """The broker or its client refused a call, or the call did not get through; another attempt may succeed."""


class OffsetOutOfRange(KafkaFailed):
    """The log does not hold the position: retention has overtaken it, or the topic was created again."""


class ConsumerLost(DriftlineError):
    """The consumer failed for good; close it and make another."""


class Fenced(DriftlineError):
    """The transactional id has a newer owner: this one can commit nothing more."""


class TopicPartition(NamedTuple):
    """One partition of one topic: one log."""

    topic: str
    partition: int


class Committed(NamedTuple):
    """What a group committed for a partition: the offset of the next record to process, and metadata."""

    offset: int
    metadata: str


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """One record as the log holds it.

    timestamp: ms since 1970. On topics with LogAppendTime it is the broker's clock when it appended the record; on
    others, the producer's clock. value: None is a tombstone.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Output:
    """One record to send. Its partition is the given one, else the key's (murmur2), else any."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None

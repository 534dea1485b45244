"""What cannot be processed goes to its topic's dead-letter topic, with the reason and where it stood."""

import logging
from typing import Protocol

from contracts.codec import serialize
from contracts.errors import BadRecord
from contracts.records import DeadLetter
from contracts.topics import Topic, dead_letters
from transport.processor import Output

log = logging.getLogger(__name__)

_MAX_DETAIL_CHARS = 500  # an error may quote the whole record, which stands beside it anyway


class Consumed(Protocol):
    """What a dead letter needs of a consumed record."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...


def as_bad_record(error: Exception) -> BadRecord:
    """What a dead letter says of an error that a decoder raised.

    Decoders raise `BadRecord`. Any other error is a fault of ours: it is logged with its stack trace, and the record
    still becomes a dead letter, because a worker that dies of a record reads it again and dies again.
    """
    if isinstance(error, BadRecord):
        return error
    log.error("a decoder failed on a record, which becomes a dead letter", exc_info=error)
    return BadRecord("decoder_failed", f"{type(error).__name__}: {error}")


def dead_letter(source: Topic, record: Consumed, error: BadRecord) -> Output:
    """The dead letter of `record`, to be sent in the same transaction as its batch's outputs and offsets."""
    letter = DeadLetter(
        reason=error.reason,
        detail=error.detail[:_MAX_DETAIL_CHARS],
        topic=source.name,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
    )
    return Output(dead_letters(source).name, serialize(letter), key=record.key, partition=record.partition)

"""What cannot be processed goes to its topic's dead-letter topic, with the reason and where it stood."""

from typing import Protocol

from contracts.codec import serialize
from contracts.errors import BadRecord
from contracts.records import DeadLetter
from contracts.topics import Topic, dead_letters
from transport.processor import Output

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

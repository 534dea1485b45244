"""A record that cannot be processed goes to its topic's dead-letter topic, with the reason and its position."""

import hashlib
import logging
from typing import Protocol

from contracts.codec import serialize
from contracts.errors import BadRecord
from contracts.records import CutValue, DeadLetter
from contracts.topics import Topic, dead_letters
from transport.processor import Output

log = logging.getLogger(__name__)

# Bytes of a source record that a letter holds; base64 turns 3 into 4. Every letter must fit its topic and a producer
# request, even though 30 MiB of JSON may arrive compressed to a kilobyte.
MAX_VALUE_BYTES = 2 << 20
MAX_KEY_BYTES = 64 << 10
MAX_DETAIL_CHARS = 500  # an error may quote the whole record, which stands beside it anyway


class Consumed(Protocol):
    """The parts of a consumed record that a dead letter needs."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...


def as_bad_record(error: Exception) -> BadRecord:
    """The `BadRecord` that a dead letter reports for an error raised by a decoder.

    Decoders raise `BadRecord`. Any other error is a bug of ours and is logged with its stack trace. The record still
    becomes a dead letter: a worker that died of it would read it again and die again.
    """
    if isinstance(error, BadRecord):
        return error
    log.error("a decoder failed on a record, which becomes a dead letter", exc_info=error)
    return BadRecord("decoder_failed", f"{type(error).__name__}: {error}")


def dead_letter(source: Topic, record: Consumed, error: BadRecord) -> Output:
    """The dead letter of `record`. Send it in the same transaction as its batch's outputs and offsets.

    A value past MAX_VALUE_BYTES is cut, and a key past MAX_KEY_BYTES is left out.
    """
    value, cut = record.value, None
    if value is not None and len(value) > MAX_VALUE_BYTES:
        cut = CutValue(bytes=len(value), sha256=hashlib.sha256(value).hexdigest())
        value = value[:MAX_VALUE_BYTES]
    key = None if record.key is None or len(record.key) > MAX_KEY_BYTES else record.key
    letter = DeadLetter(
        reason=error.reason,
        detail=error.detail[:MAX_DETAIL_CHARS],
        topic=source.name,
        partition=record.partition,
        offset=record.offset,
        key=key,
        value=value,
        cut=cut,
    )
    return Output(dead_letters(source).name, serialize(letter), key=key, partition=record.partition)

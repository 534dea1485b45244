"""What becomes of a request that cannot be read: a dead letter, and an answer if its id can be read."""

import msgspec

from contracts.codec import serialize
from contracts.errors import BadRecord
from contracts.records import RequestRefused
from contracts.topics import TIMELINE_REQUESTS, TIMELINES_RANKED
from transport.dead_letters import MAX_DETAIL_CHARS, MAX_KEY_BYTES, dead_letter
from transport.ports.kafka_records import LogRecord, Output

_MAX_REQUEST_ID_CHARS = 1_000  # of an id to send back; ten times what a request may have


class _Asked(msgspec.Struct):
    request_id: str


_asked = msgspec.json.Decoder(_Asked)


def refuse(record: LogRecord, error: BadRecord) -> list[Output]:
    """The outputs for a record of `timeline-requests` that is no request."""
    outputs = [dead_letter(TIMELINE_REQUESTS, record, error)]
    try:
        request_id = _asked.decode(record.value or b"").request_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return outputs  # nobody could tell what it answers
    if len(request_id) > _MAX_REQUEST_ID_CHARS or len(record.key or b"") > MAX_KEY_BYTES:
        return outputs
    answer = RequestRefused(
        request_id=request_id,
        error=error.reason,
        detail=error.detail[:MAX_DETAIL_CHARS],
        partition=record.partition,
        offset=record.offset,
    )
    return [*outputs, Output(TIMELINES_RANKED.name, serialize(answer), record.key, record.partition)]

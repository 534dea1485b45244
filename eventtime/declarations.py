"""Declarations: records that say who moves the event time of a partition from there on.

A program that replays or simulates events declares itself before its first event. Its ticks carry the declaration's
epoch, and no other record moves time until the next declaration. `driftline time live` declares that events move time
again, as far as the broker's clock. The records have the key `DECLARATION_KEY`; their value is a
`contracts.records.TimeDeclared`. `eventtime/watermark.py` has the rule.
"""

from contracts.codec import Codec, serialize
from contracts.records import TimeDeclared
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, TWEETS
from eventtime.ticks import TICK_KEY

DECLARATION_KEY = b"event-time"

CLOCK_KEYS = frozenset({TICK_KEY, DECLARATION_KEY})  # of the records on event topics that are no events

DECLARED_ON = (TWEETS, ENGAGEMENTS, CANDIDATES_SERVED)  # the topics whose partitions have a clock

_deserialize = Codec(TimeDeclared).deserialize


def declaration_value(declared: TimeDeclared) -> bytes:
    """The value of a declaration."""
    return serialize(declared)


def read_declaration(value: bytes | None) -> TimeDeclared:
    """The declaration in a record's value. Raises `BadRecord`."""
    return _deserialize(value or b"")

"""Ticks: the records by which a producer that owns the clock says how far event time has come on a partition.

A tick's key tells it from events, whatever the topic; its value is a `contracts.records.Tick`. An idle partition gets
them too, so that it does not hold time back.
"""

from contracts.codec import Codec, serialize
from contracts.records import Tick

TICK_KEY = b"tick"

_deserialize = Codec(Tick).deserialize


def tick_value(tick_ms: int) -> bytes:
    """The value of a tick that says `tick_ms`."""
    return serialize(Tick(tick_ms=tick_ms))


def read_tick(value: bytes | None) -> int:
    """What a tick says, in ms. Raises `BadRecord`."""
    return _deserialize(value or b"").tick_ms

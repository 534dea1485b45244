"""Ticks: records by which a producer that owns the clock says how far event time is on a partition.

On every topic, a tick has the key `TICK_KEY`, and its value is a `contracts.records.Tick`. Idle partitions get ticks
too, so that they do not hold time back.
"""

from contracts.codec import Codec, serialize
from contracts.records import Tick

TICK_KEY = b"tick"

_deserialize = Codec(Tick).deserialize


def tick_value(tick_ms: int) -> bytes:
    """The value of a tick at `tick_ms`."""
    return serialize(Tick(tick_ms=tick_ms))


def read_tick(value: bytes | None) -> int:
    """The time of a tick in ms, from its value. Raises `BadRecord`."""
    return _deserialize(value or b"").tick_ms

"""Ticks: records that say how far event time is on a partition, so that idle partitions do not hold time back.

On every topic, a tick has the key `TICK_KEY`, and its value is a `contracts.records.Tick`. `eventtime/watermark.py`
says which ticks move time.
"""

from contracts.codec import Codec, serialize
from contracts.records import Tick

TICK_KEY = b"tick"

_deserialize = Codec(Tick).deserialize


def tick_value(tick_ms: int, epoch: int = 0) -> bytes:
    """The value of a tick at `tick_ms`, of the replay that was declared with `epoch`; 0: of no replay."""
    return serialize(Tick(tick_ms=tick_ms, epoch=epoch))


def read_tick(value: bytes | None) -> Tick:
    """The tick in a record's value. Raises `BadRecord`."""
    return _deserialize(value or b"")

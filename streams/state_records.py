"""An owner's state on a compacted topic, written in the transaction that commits the state's offset.

The state is compressed (zstd) and cut into parts that fit a record: keys `0`, `1`, ...; each part is a `StatePart`.
The parts of one state have the same `offset`, and the transaction makes them appear together. Recovery reads the
newest state, then the input from its offset: never more than `EVERY_RECORDS` records.

Windows that the state has spilled (`eventtime/pending_windows.py`) are beside it, under keys such as `29411.0`:
window and part. They are written in the transaction of the first state that names them, and deleted in that of the
first state that does not, so the newest state always finds its own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import zstandard

from contracts.codec import Codec, serialize
from contracts.errors import SnapshotInvalid
from contracts.frames import Frame
from contracts.topics import Topic
from eventtime.pending_windows import Part, Spilled
from transport.kafka.state_log import read_latest
from transport.ports.kafka import Kafka
from transport.processor import Output

EVERY_RECORDS = 400  # input records between two states: what a restart re-reads at most
_PART_BYTES = 1 << 20


class StatePart(Frame, frozen=True, kw_only=True):
    """One part of an owner's state. `offset`: the first input offset that the state does not include; `topic_id`: of
    the input topic that has this offset."""

    topic_id: str
    offset: int
    part: int
    parts: int
    data: bytes


_deserialize = Codec(StatePart).deserialize


class FoundState(NamedTuple):
    """An owner's state as its topic holds it; `topic_id` and `offset` as in `StatePart`."""

    topic_id: str
    offset: int
    state: bytes


def state_outputs(topic: Topic, partition: int, topic_id: str, offset: int, state: bytes) -> list[Output]:
    """The records that hold `state`, as outputs of the batch that reached `offset` of the input topic `topic_id`."""
    packed = zstandard.compress(state)
    pieces = [packed[begin : begin + _PART_BYTES] for begin in range(0, len(packed), _PART_BYTES)]
    return [
        Output(
            topic.name,
            serialize(StatePart(topic_id=topic_id, offset=offset, part=part, parts=len(pieces), data=piece)),
            key=b"%d" % part,
            partition=partition,
        )
        for part, piece in enumerate(pieces)
    ]


def is_of_state(key: bytes) -> bool:
    """Whether the record of this key is a part of a state, and not of a spilled window."""
    return b"." not in key


def spill_outputs(topic: Topic, partition: int, parts: Sequence[Part]) -> list[Output]:
    """The records that hold parts of spilled windows."""
    return [
        Output(topic.name, zstandard.compress(part.data), key=_key(part.window, part.number), partition=partition)
        for part in parts
    ]


def forget_outputs(topic: Topic, partition: int, spilled: Mapping[int, Spilled]) -> list[Output]:
    """The records that delete these windows."""
    return [
        Output(topic.name, None, key=key, partition=partition) for keys in _keys(spilled).values() for key in keys
    ]


async def read_spilled(
    kafka: Kafka, topic: Topic, partition: int, spilled: Mapping[int, Spilled]
) -> dict[int, list[bytes]]:
    """Window -> its parts. Raises `SnapshotInvalid` if one is missing."""
    keys = _keys(spilled)
    found = await read_latest(kafka, topic, partition, {key for of in keys.values() for key in of}.__contains__)
    try:
        return {window: [zstandard.decompress(found[key]) for key in of] for window, of in keys.items()}
    except KeyError as error:
        raise SnapshotInvalid(f"{topic.name}[{partition}] lacks {error}, which its owner has spilled") from error


def _keys(spilled: Mapping[int, Spilled]) -> dict[int, list[bytes]]:
    return {window: [_key(window, number) for number in range(of.parts)] for window, of in spilled.items()}


def _key(window: int, number: int) -> bytes:
    return b"%d.%d" % (window, number)


def join_state(latest: Mapping[bytes, bytes]) -> FoundState | None:
    """The state in the latest value of each key of the state topic's partition; None if there is no state.

    Raises `SnapshotInvalid` if parts are missing or belong to different states.
    """
    if not latest:
        return None
    first = _deserialize(latest[b"0"])
    try:
        parts = [_deserialize(latest[b"%d" % part]) for part in range(first.parts)]
    except KeyError as error:
        raise SnapshotInvalid(
            f"part {error} of {first.parts} of an owner's state is missing from its topic"
        ) from error
    of = (first.topic_id, first.offset, first.parts)
    if any((part.topic_id, part.offset, part.parts) != of for part in parts):
        raise SnapshotInvalid("the parts of an owner's state are of different states")
    return FoundState(first.topic_id, first.offset, zstandard.decompress(b"".join(part.data for part in parts)))

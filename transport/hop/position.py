"""Where a hop stands in a log, what it commits about that, and whether the log can still be read from there.

Kafka keeps an offset and a few words with it. That is not enough to notice that a topic was deleted and made anew:
its offsets look alike. So each commit says which topic its offset is of, before the processor's own metadata:

    <topic id> <readable from> <the processor's metadata>

`readable from` is 0 until someone resets the offset (`driftline offsets reset`): what the log held before it is gone,
so no processor may ask for it.
"""

import re
from enum import StrEnum
from typing import NamedTuple

from transport.ports.kafka_records import Committed
from transport.processor import MAX_METADATA_BYTES, Position

_COMMITTED = re.compile(r"([0-9a-f-]{36}) (\d+) (.*)", re.DOTALL)


class Log(NamedTuple):
    """One partition as it is now: the id of its topic, and the offsets [begin, end) that it holds."""

    topic_id: str
    begin: int
    end: int


class Verdict(StrEnum):
    """Whether a hop can go on from where it stands."""

    OK = "ok"
    NEW = "never committed"
    MADE_ANEW = "made anew"
    SHORTER = "shorter than committed"
    DELETED = "deleted by retention"
    FOREIGN = "committed by another program"


def to_committed(position: Position) -> Committed:
    """What is committed for a position. Raises `ValueError` for metadata that the broker would refuse."""
    metadata = f"{position.topic_id} {position.readable_from} {position.metadata}"
    if len(metadata.encode()) >= MAX_METADATA_BYTES:
        raise ValueError(f"metadata of {len(metadata)} characters is past {MAX_METADATA_BYTES}")
    return Committed(position.offset, metadata)


def from_committed(committed: Committed) -> Position | None:
    """The inverse of `to_committed`; None for what no hop has committed."""
    found = _COMMITTED.fullmatch(committed.metadata)
    return Position(committed.offset, found[3], found[1], int(found[2])) if found else None


def judge(committed: Committed | None, log: Log, began_id: str | None = None) -> Verdict:
    """Whether a hop that committed this can go on in this log.

    began_id: the id of the topic that the hop began to read; Kafka deletes what was committed with a topic.
    """
    if committed is None:
        return Verdict.NEW if began_id in (None, log.topic_id) else Verdict.MADE_ANEW
    position = from_committed(committed)
    return Verdict.FOREIGN if position is None else judge_position(position, log)


def judge_position(position: Position, log: Log) -> Verdict:
    """Whether a hop that stands here can go on in this log."""
    if position.topic_id != log.topic_id:
        return Verdict.MADE_ANEW
    if position.offset > log.end:
        return Verdict.SHORTER
    return Verdict.DELETED if position.offset < log.begin else Verdict.OK


def explain(verdict: Verdict, offset: int, log: Log) -> str:
    """What `verdict` means for a reader that is at `offset`, in words for people."""
    held = f"it holds offsets {log.begin} to {log.end}"
    return {
        Verdict.OK: "it can be read on",
        Verdict.NEW: f"nothing was committed, though this hop has read it before: its offsets expired; {held}",
        Verdict.MADE_ANEW: f"the topic was deleted and made anew since this hop read it; {held}",
        Verdict.SHORTER: f"offset {offset} was committed, but {held}: the broker has lost records",
        Verdict.DELETED: f"it is to be read from offset {offset}, but {held}: retention has deleted unread records",
        Verdict.FOREIGN: f"offset {offset} was committed by another program, without the state that belongs to it",
    }[verdict]

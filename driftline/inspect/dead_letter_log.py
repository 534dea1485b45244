"""Dead letters: what could not be processed and why, and sending it to its source again."""

import contextlib
from collections import Counter
from collections.abc import Iterator

import msgspec

from contracts.codec import Codec
from contracts.errors import DriftlineError
from contracts.records import DeadLetter
from contracts.settings import Settings
from contracts.topics import WITH_DEAD_LETTERS, Topic, dead_letters, prefixed
from driftline.inspect.logs import LogRecord, read_records
from transport.kafka.clients import producer, translated

SOURCES = {topic.name: topic for topic in WITH_DEAD_LETTERS}
_MAX_UNFLUSHED = 1_000

_codec = Codec(DeadLetter)


class NoSuchLetter(DriftlineError):
    """A dead letter, or a topic of dead letters, that is not there."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter and where it lies. `at_ms` is when it was written, by the broker's clock."""

    letters: str
    partition: int
    offset: int
    at_ms: int
    letter: DeadLetter


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay sent, by source topic and reason, and how many it could not.

    Rows of a file never had a record; a record with neither key nor value is nothing that a client would send.
    """

    sent: dict[str, int]
    not_replayable: int


def source_named(name: str) -> Topic:
    """The source topic of a name, with or without `-dead-letters`."""
    source = SOURCES.get(name.removesuffix("-dead-letters"))
    if source is None:
        raise NoSuchLetter(f"no dead letters of a topic {name!r}; there are those of {', '.join(SOURCES)}")
    return source


def read_letters(settings: Settings, *, reason: str | None = None, topic: str | None = None) -> Iterator[Letter]:
    """Dead letters of all source topics or of `topic`, of every reason or of `reason`; by topic, in log order."""
    for source in [source_named(topic)] if topic else WITH_DEAD_LETTERS:
        for record, letter in read_records(settings, dead_letters(source), _codec, ticks=True):  # broken ones
            if reason is None or letter.reason == reason:
                yield _placed(dead_letters(source), record, letter)


def find_letter(settings: Settings, topic: str, partition: int, offset: int) -> Letter:
    """The letter at one place of a dead-letter topic. Raises `NoSuchLetter`."""
    for found in read_letters(settings, topic=topic):
        if (found.partition, found.offset) == (partition, offset):
            return found
    raise NoSuchLetter(f"{dead_letters(source_named(topic)).name} has no letter at partition {partition}, {offset}")


def replay(
    settings: Settings, *, reason: str | None = None, topic: str | None = None, dry_run: bool = False
) -> Replayed:
    """Send the original bytes, exact key and value, to the partition that they came from.

    Letters that are there when it begins are sent, so one that fails again is not sent in a circle. They stay in
    their topic: a second replay sends them again (a tweet or engagement that was processed meanwhile is recognized
    as a repeat). Returns once the broker has them all.
    """
    sent: Counter[str] = Counter()
    not_replayable = 0
    with translated(settings), contextlib.closing(producer(settings)) as client:
        pending = []
        for found in read_letters(settings, reason=reason, topic=topic):
            letter = found.letter
            source = SOURCES.get(letter.topic)
            if source is None or (letter.key is None and letter.value is None):
                not_replayable += 1
                continue
            sent[f"{letter.topic}: {letter.reason}"] += 1
            if dry_run:
                continue
            name = prefixed(source, settings.prefix).name
            pending.append(client.send(name, key=letter.key, value=letter.value, partition=letter.partition))
            if len(pending) >= _MAX_UNFLUSHED:
                _settle(pending)
        _settle(pending)
    return Replayed(sent=dict(sent), not_replayable=not_replayable)


def _settle(pending: list[object]) -> None:
    """Wait for every send; the first that failed raises."""
    for future in pending:
        future.get(timeout=30)  # type: ignore[attr-defined]
    pending.clear()


def _placed(topic: Topic, record: LogRecord, letter: DeadLetter) -> Letter:
    return Letter(
        letters=topic.name, partition=record.partition, offset=record.offset, at_ms=record.append_ms, letter=letter
    )

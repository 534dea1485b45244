"""Dead letters: reads them, and sends them to their source topic again."""

import contextlib
from collections import Counter
from collections.abc import Iterator

import msgspec

from contracts.codec import Codec
from contracts.errors import DriftlineError
from contracts.records import DeadLetter
from contracts.settings import Settings
from contracts.topics import ENGAGEMENTS, WITH_DEAD_LETTERS, Topic, dead_letters
from driftline.inspect.logs import LogReader
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import LogRecord, Output

SOURCES = {topic.name: topic for topic in WITH_DEAD_LETTERS}
_MAX_UNFLUSHED = 1_000

_codec = Codec(DeadLetter)


class NoSuchLetter(DriftlineError):
    """There is no such dead letter, or no such topic of dead letters."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter and its place: topic, partition and offset. at_ms: when it was written, by the broker's clock."""

    letters: str
    partition: int
    offset: int
    at_ms: int
    letter: DeadLetter


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """How many dead letters a replay sent, by source topic and reason, and how many it did not.

    not_replayable: a file's rows, which never were a record; cut values; records with neither key nor value. counted:
    engagements that labelled nothing. They were counted when they were read, and their request has closed: to send
    them again would count them twice.
    """

    sent: dict[str, int]
    not_replayable: int
    counted: int


def source_named(name: str) -> Topic:
    """The source topic named `name`, with or without `-dead-letters`. Raises `NoSuchLetter`."""
    source = SOURCES.get(name.removesuffix("-dead-letters"))
    if source is None:
        raise NoSuchLetter(f"topic {name!r} has no dead letters; these topics do: {', '.join(SOURCES)}")
    return source


def read_letters(settings: Settings, *, reason: str | None = None, topic: str | None = None) -> Iterator[Letter]:
    """Dead letters in log order, topic by topic; only those of `topic` and with `reason`, if given."""
    sources = [source_named(topic)] if topic else WITH_DEAD_LETTERS
    with LogReader.connected(settings) as logs:
        for letters in map(dead_letters, sources):
            # The dead letter of a broken tick has a tick's key.
            for record, letter in logs.records(letters, _codec, ticks=True):
                if reason is None or letter.reason == reason:
                    yield _placed(letters, record, letter)


def find_letter(settings: Settings, topic: str, partition: int, offset: int) -> Letter:
    """The dead letter at a partition and offset. Raises `NoSuchLetter`."""
    for found in read_letters(settings, topic=topic):
        if (found.partition, found.offset) == (partition, offset):
            return found
    name = dead_letters(source_named(topic)).name
    raise NoSuchLetter(f"{name} has no dead letter at partition {partition}, offset {offset}")


def replay(
    settings: Settings, *, reason: str | None = None, topic: str | None = None, dry_run: bool = False
) -> Replayed:
    """Send dead letters, with their original key and value, to the partition that they came from.

    Sends only letters that exist when it begins, so one that fails again is not sent in a loop. Letters stay in their
    topic, and a second replay sends them again; a tweet or an engagement that was processed meanwhile is dropped as a
    duplicate. Returns once the broker has acknowledged them all.
    """
    from featurestore.join.joiner import UNJOINED

    sent: Counter[str] = Counter()
    not_replayable = counted = 0
    with contextlib.closing(KafkaCluster(settings).producer()) as producer:
        pending: list[Output] = []
        for found in read_letters(settings, reason=reason, topic=topic):
            letter = found.letter
            source = SOURCES.get(letter.topic)
            if source is None or letter.cut is not None or (letter.key is None and letter.value is None):
                not_replayable += 1
                continue
            if source is ENGAGEMENTS and letter.reason in UNJOINED:
                counted += 1
                continue
            sent[f"{letter.topic}: {letter.reason}"] += 1
            if dry_run:
                continue
            pending.append(Output(source.name, letter.value, letter.key, letter.partition))
            if len(pending) >= _MAX_UNFLUSHED:
                producer.deliver(pending)
                pending.clear()
        producer.deliver(pending)
    return Replayed(sent=dict(sent), not_replayable=not_replayable, counted=counted)


def _placed(topic: Topic, record: LogRecord, letter: DeadLetter) -> Letter:
    return Letter(
        letters=topic.name, partition=record.partition, offset=record.offset, at_ms=record.timestamp, letter=letter
    )

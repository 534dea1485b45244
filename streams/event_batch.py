"""A batch of an input topic, decoded once: events, ticks, declarations, and dead letters for bad records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from contracts.columnar import CandidatesServed
from contracts.records import Engagement, Tick, TimeDeclared, Tweet
from contracts.topics import Topic
from eventtime.declarations import DECLARATION_KEY, read_declaration
from eventtime.ticks import TICK_KEY, read_tick
from transport.dead_letters import as_bad_record, dead_letter
from transport.ports.kafka_records import LogRecord
from transport.processor import Output

EventT = TypeVar("EventT", Tweet, Engagement, CandidatesServed)
ValueT = TypeVar("ValueT", Tick, TimeDeclared)


@dataclass(frozen=True, slots=True)
class Placed(Generic[ValueT]):
    """A tick or a declaration, the record that it came in, and the number of events before it."""

    place: int
    value: ValueT
    record: LogRecord


@dataclass(slots=True)
class EventBatch(Generic[EventT]):
    """Events of one partition in log order, each with the record it came in.

    ticks, declarations: in log order too. letters: outputs for the dead-letter topic.
    """

    source: Topic
    events: list[EventT] = field(default_factory=list)
    records: list[LogRecord] = field(default_factory=list)
    ticks: list[Placed[Tick]] = field(default_factory=list)
    declarations: list[Placed[TimeDeclared]] = field(default_factory=list)
    letters: list[Output] = field(default_factory=list)

    def keep(self, kept: Sequence[bool]) -> None:
        """Drop the events that are not kept; call it once their times were observed."""
        self.events = [event for event, keep in zip(self.events, kept, strict=True) if keep]
        self.records = [record for record, keep in zip(self.records, kept, strict=True) if keep]


def decode_batch(
    source: Topic,
    records: Sequence[LogRecord],
    decode: Callable[[bytes], EventT],
) -> EventBatch[EventT]:
    """Decode a batch. Never raises, whatever the records hold."""
    batch = EventBatch[EventT](source)
    for record in records:
        try:
            if record.key == TICK_KEY:
                batch.ticks.append(Placed(len(batch.events), read_tick(record.value), record))
                continue
            if record.key == DECLARATION_KEY:
                batch.declarations.append(Placed(len(batch.events), read_declaration(record.value), record))
                continue
            event = decode(record.value or b"")
        except Exception as error:  # noqa: BLE001 - no record may stop a worker
            batch.letters.append(dead_letter(source, record, as_bad_record(error)))
            continue
        batch.events.append(event)
        batch.records.append(record)
    return batch

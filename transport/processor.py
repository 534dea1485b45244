"""What runs inside an exactly-once hop: it keeps the state of one input partition number and makes the outputs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from transport.ports.kafka_records import LogRecord, Output

__all__ = ["MAX_METADATA_BYTES", "Output", "Position", "Processor"]

MAX_METADATA_BYTES = 4_096  # the broker's `offset.metadata.max.bytes`


class Position(NamedTuple):
    """Where a processor stands in one topic.

    offset: of the next record. metadata: what the processor committed with it. topic_id: of the topic that has this
    offset. readable_from: records before it are gone, or are those of another topic of the same name.
    """

    offset: int
    metadata: str = ""
    topic_id: str = ""
    readable_from: int = 0


class Processor(ABC):
    """The state of one input partition number, of one topic or of several co-partitioned ones.

    A hop makes a new one at each assignment and after each abort. It calls `resume` once, then `replay` until the
    state is that of the committed offsets, then `process` for each batch, followed by the batch's commit. The state
    must be a function of the records alone, not of how they were cut into batches. Records of one topic come in
    offset order; the topics of a batch come in no particular order. An `Output` with neither partition nor key goes
    to the number of the input partition (modulo its topic's count), never to a random one.
    """

    @abstractmethod
    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Restore the state at the committed positions, as far as possible without re-reading.

        committed: of every topic; the first one of a new hop has the metadata of a new processor. Returns topic ->
        offset to re-read from (at most the committed one, at least `readable_from`), for the topics whose earlier
        records are needed to rebuild the state; {} if none are.
        """

    @abstractmethod
    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Update the state with records before the committed offset; nothing is sent."""

    @abstractmethod
    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """Process a batch; returns what to send. May await side effects if they are idempotent."""

    async def recover(self) -> Mapping[str, Position] | None:
        """The positions of all topics, by the processor's own state, after the committed ones expired.

        None if it keeps none: it can then not know which records it has processed. By default it keeps none.
        """
        return None

    async def look_after(self) -> None:
        """Called about once a second, also while there is nothing to process. Raises what makes the hop resume."""
        return

    def metadata(self) -> str:
        """Metadata to commit with the offsets of the batch just processed; under 4,096 bytes. "" by default."""
        return ""

    def paused(self) -> frozenset[str]:
        """Topics not to read for now, as back-pressure; none by default."""
        return frozenset()

"""What runs inside an exactly-once hop: it keeps the state of one input partition number and makes the outputs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from transport.ports.kafka_records import LogRecord, Output

__all__ = ["MAX_METADATA_BYTES", "Output", "Processor"]

MAX_METADATA_BYTES = 4_096  # the broker's `offset.metadata.max.bytes`


class Processor(ABC):
    """The state of one input partition number, of one topic or of several co-partitioned ones.

    A hop makes a new one at each assignment and after each abort. It calls `resume` once, then `replay` until the
    state is that of the committed offsets, then `process` for each batch, followed by the batch's commit. The state
    must be a function of the records alone, not of how they were cut into batches. Records of one topic come in
    offset order; the topics of a batch come in no particular order. An `Output` with neither partition nor key goes
    to the number of the input partition (modulo its topic's count), never to a random one.
    """

    @abstractmethod
    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Restore the state at the committed offsets, as far as possible without re-reading.

        committed: topic -> (offset of the next record, the metadata committed with it); topics never committed are
        absent. Returns topic -> offset to re-read from (at most the committed one), for the topics whose earlier
        records are needed to rebuild the state; {} if none are.
        """

    @abstractmethod
    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Update the state with records before the committed offset; nothing is sent."""

    @abstractmethod
    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """Process a batch; returns what to send. May await side effects if they are idempotent."""

    def metadata(self) -> str:
        """Metadata to commit with the offsets of the batch just processed; under 4,096 bytes. "" by default."""
        return ""

    def paused(self) -> frozenset[str]:
        """Topics not to read for now, as back-pressure; none by default."""
        return frozenset()

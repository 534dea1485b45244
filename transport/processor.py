"""What runs inside an exactly-once hop: the state of one input partition number, and what it sends on."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from transport.ports.kafka_records import LogRecord, Output

__all__ = ["MAX_METADATA_BYTES", "Output", "Processor"]

MAX_METADATA_BYTES = 4_096  # the broker's `offset.metadata.max.bytes`


class Processor(ABC):
    """The state of one input partition number, of one topic or of several co-partitioned ones.

    A hop makes one at each assignment and after each abort, calls `resume` once, `replay` until the state is
    that of the committed offsets, then `process`, each batch followed by its commit. Its state must be a function of
    the records alone, not of how they were cut into batches. Records of one topic come in offset order; two
    topics of a batch follow each other in no particular order. An `Output` that has neither a partition nor a key
    goes to the number of the input partition (modulo its topic's count): never to a random one.
    """

    @abstractmethod
    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Set the state of the committed offsets, as far as it can be had without re-reading.

        committed: topic -> (offset of the next record, the metadata committed with it); topics never committed are
        absent. Returns topic -> offset to re-read from (at most the committed one) for those whose records before
        the committed offset rebuild the state; {} for none.
        """

    @abstractmethod
    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Take in records before the committed offset: state only, nothing is sent."""

    @abstractmethod
    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """Take in a batch; returns what to send. May await side effects that bear repeating (idempotent writes)."""

    def metadata(self) -> str:
        """What to commit beside the offsets of the batch just processed; less than 4,096 bytes. "" by default."""
        return ""

    def paused(self) -> frozenset[str]:
        """Topics not to read from now, for back-pressure; none by default."""
        return frozenset()

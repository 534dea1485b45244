"""What runs inside an exactly-once hop: the state of one input partition number, and what it sends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiokafka import ConsumerRecord

from contracts.settings import Settings

MAX_METADATA_BYTES = 4_096  # the broker's `offset.metadata.max.bytes`


@dataclass(frozen=True, slots=True)
class Output:
    """One record to send. `topic` is the contract's name, without prefix.

    The partition is `partition` if given, else the key's (murmur2), else the number of the input partition
    (modulo the topic's count): never a random one.
    """

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None


class Processor(Protocol):
    """The state of one input partition number, of one topic or of several co-partitioned ones.

    A hop makes one at each assignment and after each abort, calls `resume` once, `replay` until the state is
    that of the committed offsets, then `process`, each batch followed by its commit. Its state must be a function of
    the records alone, not of how they were cut into batches. Records of one topic come in offset order; two
    topics of a batch follow each other in no particular order. `record.topic` has the prefix (see `unprefix`).
    """

    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Set the state of the committed offsets, as far as it can be had without re-reading.

        committed: topic (without prefix) -> (offset of the next record, the metadata committed with it); topics
        never committed are absent. Returns topic -> offset to re-read from (at most the committed one) for
        those whose records before the committed offset rebuild the state; {} for none.
        """
        ...

    async def replay(self, records: Sequence[ConsumerRecord]) -> None:
        """Take in records before the committed offset: state only, nothing is sent."""
        ...

    async def process(self, records: Sequence[ConsumerRecord]) -> Sequence[Output]:
        """Take in a batch; returns what to send. May await side effects that bear repeating (idempotent writes)."""
        ...

    def metadata(self) -> str:
        """What to commit beside the offsets of the batch just processed; less than 4,096 bytes."""
        ...

    def paused(self) -> frozenset[str]:
        """Topics (without prefix) not to read from now, for back-pressure; usually empty."""
        ...


def unprefix(settings: Settings, topic: str) -> str:
    """The contract's name of a topic as Kafka has it. Raises `ValueError` for a topic of another installation."""
    if not topic.startswith(settings.prefix):
        raise ValueError(f"topic {topic} does not begin with the prefix {settings.prefix!r}")
    return topic[len(settings.prefix) :]

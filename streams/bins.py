"""bin-counts -> bins: the single writer of the bin edges.

Features known at tweet time and features known when served have clocks of their own (the partitions that count
them), so each kind has an owner and a chain of versions of its own: without requests, tweets' bins still move.
"""

from collections.abc import Mapping, Sequence

import msgspec
from aiokafka import ConsumerRecord

from contracts.codec import Codec, encode
from contracts.errors import BadRecord
from contracts.frames import BinCounts
from contracts.settings import Settings
from contracts.topics import BIN_COUNTS, BIN_STATE, BINS, CANDIDATES_SERVED, TWEETS, Topic
from featurestore.bin_owner import BinOwner
from streams.owner_state import EVERY_RECORDS, join_state, state_outputs
from transport.dead_letters import dead_letter
from transport.processor import Output
from transport.state_log import read_latest

_decode = Codec(BinCounts).decode

# What counts features of each kind, by `Continuous.counted_from`.
COUNTED_FROM: Mapping[str, Topic] = {"tweets": TWEETS, "served": CANDIDATES_SERVED}


class BinProcessor:
    """Both owners of bins; `bin-counts` has one partition, so there is one such processor."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        self._owners = {topic.name: BinOwner(settings.bins, _sources(kind)) for kind, topic in COUNTED_FROM.items()}
        self._records_since_state = 0

    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Take up the newest state; have what came after it re-read."""
        state = join_state(await read_latest(self._settings, BIN_STATE, self._partition))
        if state is None:
            return {BIN_COUNTS.name: 0} if BIN_COUNTS.name in committed else {}
        offset, packed = state
        parts = msgspec.msgpack.decode(packed, type=dict[str, bytes])
        self._owners = {
            topic.name: BinOwner.from_bytes(self._settings.bins, _sources(kind), parts[kind])
            for kind, topic in COUNTED_FROM.items()
        }
        return {BIN_COUNTS.name: offset}

    async def replay(self, records: Sequence[ConsumerRecord]) -> None:
        """Count again what the state does not hold; its decisions are in the log already."""
        self._decide(records)

    async def process(self, records: Sequence[ConsumerRecord]) -> Sequence[Output]:
        """The edges that change with the windows that these counts close."""
        outputs = self._decide(records)
        if self._records_since_state >= EVERY_RECORDS:
            self._records_since_state = 0
            parts = {kind: self._owners[topic.name].to_bytes() for kind, topic in COUNTED_FROM.items()}
            offset = records[-1].offset + 1
            outputs += state_outputs(BIN_STATE, self._partition, offset, msgspec.msgpack.encode(parts))
        return outputs

    def metadata(self) -> str:
        """Nothing: the state names its own offset."""
        return ""

    def paused(self) -> frozenset[str]:
        """Never."""
        return frozenset()

    def _decide(self, records: Sequence[ConsumerRecord]) -> list[Output]:
        outputs = []
        for record in records:
            try:
                frame = _decode(record.value or b"")
                if frame.source_topic not in self._owners:
                    raise BadRecord("unknown_source", f"{frame.source_topic} counts no bins")
                self._owners[frame.source_topic].observe(frame)
            except BadRecord as error:
                outputs.append(dead_letter(BIN_COUNTS, record, error))
        self._records_since_state += len(records)
        versions = [version for owner in self._owners.values() for version in owner.close_windows()]
        return outputs + [Output(BINS.name, encode(version), partition=0) for version in versions]


def _sources(kind: str) -> dict[str, frozenset[tuple[str, int]]]:
    topic = COUNTED_FROM[kind]
    return {kind: frozenset((topic.name, partition) for partition in range(topic.partitions))}

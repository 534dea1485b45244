"""bin-counts -> bins: the single writer of the bin edges.

A window closes when every partition of `tweets` and of `candidates-served` has closed it (scorers pass ticks on from
their requests). Without a scorer, bins wait: nothing is encoded with them either.
"""

from collections.abc import Mapping, Sequence

from aiokafka import ConsumerRecord

from contracts.codec import Codec, encode
from contracts.errors import BadRecord
from contracts.frames import BinCounts
from contracts.settings import Settings
from contracts.topics import BIN_COUNTS, BIN_STATE, BINS, CANDIDATES_SERVED, TWEETS
from featurestore.bin_owner import BinOwner
from streams.owner_state import EVERY_RECORDS, join_state, state_outputs
from transport.dead_letters import dead_letter
from transport.processor import Output
from transport.state_log import read_latest

_decode = Codec(BinCounts).decode

# What counts features of each kind, by `Continuous.counted_from`.
SOURCES = {
    kind: frozenset((topic.name, partition) for partition in range(topic.partitions))
    for kind, topic in (("tweets", TWEETS), ("served", CANDIDATES_SERVED))
}


class BinProcessor:
    """The owner of all bins; `bin-counts` has one partition, so there is one such processor."""

    def __init__(self, settings: Settings, partition: int) -> None:
        self._settings = settings
        self._partition = partition
        self._owner = BinOwner(settings.bins, SOURCES)
        self._records_since_state = 0

    async def resume(self, committed: Mapping[str, tuple[int, str]]) -> Mapping[str, int]:
        """Take up the newest state; have what came after it re-read."""
        state = join_state(await read_latest(self._settings, BIN_STATE, self._partition))
        if state is None:
            return {BIN_COUNTS.name: 0} if BIN_COUNTS.name in committed else {}
        offset, packed = state
        self._owner = BinOwner.from_bytes(self._settings.bins, SOURCES, packed)
        return {BIN_COUNTS.name: offset}

    async def replay(self, records: Sequence[ConsumerRecord]) -> None:
        """Count again what the state does not hold; its decisions are in the log already."""
        self._observe(records)
        self._owner.close_windows()

    async def process(self, records: Sequence[ConsumerRecord]) -> Sequence[Output]:
        """The edges that change with the windows that these counts close."""
        outputs = self._observe(records)
        outputs += [Output(BINS.name, encode(version), partition=0) for version in self._owner.close_windows()]
        if self._records_since_state >= EVERY_RECORDS:
            self._records_since_state = 0
            offset = records[-1].offset + 1
            outputs += state_outputs(BIN_STATE, self._partition, offset, self._owner.to_bytes())
        return outputs

    def metadata(self) -> str:
        """Nothing: the state names its own offset."""
        return ""

    def paused(self) -> frozenset[str]:
        """Never."""
        return frozenset()

    def _observe(self, records: Sequence[ConsumerRecord]) -> list[Output]:
        letters = []
        for record in records:
            try:
                self._owner.observe(_decode(record.value or b""))
            except BadRecord as error:
                letters.append(dead_letter(BIN_COUNTS, record, error))
        self._records_since_state += len(records)
        return letters

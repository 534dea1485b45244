"""bin-counts -> bins: the single writer of the bin edges.

A window closes when every partition of `tweets` and of `candidates-served` has closed it (scorers pass ticks on from
their requests). Without a scorer, bins wait: nothing is encoded with them either.
"""

from contracts.codec import encode
from contracts.frames import BinCounts
from contracts.settings import Settings
from contracts.topics import BIN_COUNTS, BIN_STATE, BINS, CANDIDATES_SERVED, TWEETS
from featurestore.bin_owner import BinOwner
from streams.owner_processor import OwnerProcessor
from transport.processor import Output

# What counts features of each kind, by `Continuous.counted_from`.
SOURCES = {
    kind: frozenset((topic.name, partition) for partition in range(topic.partitions))
    for kind, topic in (("tweets", TWEETS), ("served", CANDIDATES_SERVED))
}


class BinProcessor(OwnerProcessor[BinOwner]):
    """The owner of all bins; `bin-counts` has one partition, so there is one such processor."""

    counts, state, frame = BIN_COUNTS, BIN_STATE, BinCounts

    def __init__(self, settings: Settings, partition: int) -> None:
        super().__init__(
            settings,
            partition,
            BinOwner(settings.bins, SOURCES),
            lambda packed: BinOwner.from_bytes(settings.bins, SOURCES, packed),
        )

    async def decide(self) -> list[Output]:
        """The edges that change."""
        return [Output(BINS.name, encode(version), partition=0) for version in self.owner.close_windows()]

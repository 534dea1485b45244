"""bin-counts -> bins: the single writer of the bin edges.

A window closes when every partition of `tweets` and of `candidates-served` has closed it (scorers pass ticks on from
their requests), and, where `bins.supervised` names features, every partition of `examples`. Without a scorer, bins
wait: nothing is encoded with them either.
"""

from contracts.codec import encode
from contracts.frames import BinCounts
from contracts.settings import BinSettings, Settings
from contracts.topics import BIN_COUNTS, BIN_STATE, BINS, CANDIDATES_SERVED, EXAMPLES, TWEETS
from featurestore.bin_owner import BinOwner
from featurestore.bin_settings import supervised_numbers
from streams.owner_processor import OwnerProcessor
from transport.processor import Output


def sources_of(settings: BinSettings) -> dict[str, frozenset[tuple[str, int]]]:
    """What counts features of each kind, by `Continuous.counted_from`; `examples` are counted for trees alone."""
    topics = {"tweets": TWEETS, "served": CANDIDATES_SERVED}
    if len(supervised_numbers(settings)):
        topics["examples"] = EXAMPLES
    return {
        kind: frozenset((topic.name, partition) for partition in range(topic.partitions))
        for kind, topic in topics.items()
    }


class BinProcessor(OwnerProcessor[BinOwner]):
    """The owner of all bins; `bin-counts` has one partition, so there is one such processor."""

    counts, state, frame = BIN_COUNTS, BIN_STATE, BinCounts

    def __init__(self, settings: Settings, partition: int) -> None:
        sources = sources_of(settings.bins)
        super().__init__(
            settings,
            partition,
            BinOwner(settings.bins, sources),
            lambda packed: BinOwner.from_bytes(settings.bins, sources, packed),
        )

    async def decide(self) -> list[Output]:
        """The edges that change."""
        return [Output(BINS.name, encode(version), partition=0) for version in self.owner.close_windows()]

"""The trainer's vocabulary and bins: local replicas of the delta logs, advanced by the examples, not by the clock.

The examples alone decide which version a batch is learned with. Deltas that were read ahead wait here, and a replica
applies only those up to the version asked for. A version is reached once both logs are complete through it.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Mapping

from contracts.columnar import VocabDelta
from contracts.records import BinsVersion
from contracts.settings import Settings
from featurestore.bins.replica import Bins, FrozenBins
from vocab.replica.vocabulary import FrozenVocabulary, Vocabulary

_log = logging.getLogger(__name__)

# Windows between the newest example and the version it is learned with: time for decisions to be made and to arrive.
VERSIONS_BEHIND = 2


def target_version(newest_at_ms: int, window_ms: int, current: int) -> int:
    """The version to learn a batch with, given the time of its newest impression; never before `current`."""
    return max(current, newest_at_ms // window_ms - VERSIONS_BEHIND, 0)


class Versions:
    """Both replicas. The vocabulary goes on from a view; the bins are read from the beginning of their short log."""

    def __init__(self, settings: Settings, start: FrozenVocabulary, offsets: Mapping[int, int]) -> None:
        """`offsets`: partition of `vocab-deltas` -> first offset after `start`; absent = the beginning."""
        self._vocabulary = Vocabulary(settings.vocab, start)
        self._bins = Bins()
        self._shards: dict[int, int] = {}  # shard -> newest version applied
        self._deltas: dict[int, deque[VocabDelta]] = defaultdict(deque)  # partition -> not applied yet
        self._edges: deque[BinsVersion] = deque()
        # Applied, with edges, after the version that was asked for last.
        self._edge_changes: list[BinsVersion] = []
        self._asked = 0
        self._ahead: dict[int, deque[tuple[int, int]]] = defaultdict(deque)  # partition -> (version, offset) of each
        self._next = dict(offsets)
        self._name = settings.vocab.name
        # The first version of a vocabulary that was made of another; it has the other's keys.
        self._begins = 0

    def feed_vocabulary(self, partition: int, offset: int, delta: VocabDelta) -> None:
        """Take the next record of a partition of `vocab-deltas`; records of other vocabularies are skipped."""
        if delta.vocabulary != self._name:
            if delta.shard == 0 and delta.settings is not None and delta.settings.made_of == self._name:
                _log.warning(
                    "vocabulary %s ends at version %d, of which %s was made: set vocab.name, and vocab.shards to %d",
                    self._name,
                    delta.version,
                    delta.vocabulary,
                    delta.settings.shards,
                )
            return
        self._deltas[partition].append(delta)
        self._ahead[partition].append((delta.version, offset))

    def feed_bins(self, version: BinsVersion) -> None:
        """Take the next record of `bins`."""
        self._edges.append(version)

    def waiting_deltas(self, partition: int) -> int:
        """Records of one partition of `vocab-deltas` that no version has needed yet."""
        return len(self._deltas[partition])

    def waiting_bins(self) -> int:
        """Records of `bins` that no version has needed yet."""
        return len(self._edges)

    def reach(self, version: int) -> bool:
        """Apply the records that lead to `version`; returns whether both replicas are now complete through it.

        Raises `ChainBroken` for a gap, a repeat or a wrong order in a log.
        """
        for waiting in self._deltas.values():
            while waiting and self._shards.get(waiting[0].shard, 0) < version:
                delta = waiting.popleft()
                self._vocabulary.apply(delta)
                self._shards[delta.shard] = delta.version
                if delta.settings is not None and delta.settings.made_of:
                    self._begins = delta.version
        while self._edges and self._bins.complete_through < version:
            record = self._edges.popleft()
            self._bins.apply(record)
            if record.edges:
                self._edge_changes.append(record)
        return min(self.complete_through) >= version

    @property
    def complete_through(self) -> tuple[int, int]:
        """(vocabulary, bins): the newest version through which each is complete."""
        return self._vocabulary.complete_through, self._bins.complete_through

    def at(self, version: int) -> tuple[FrozenVocabulary, FrozenBins, list[BinsVersion]]:
        """Vocabulary and bins at a version that is reached, and the edge changes since the version asked for before.

        Ask in ascending order; the same version may be asked for again. Of a vocabulary that was made of another,
        earlier versions than its first give the first: the other held the same keys.
        """
        if version > self._asked:
            self._edge_changes = [change for change in self._edge_changes if change.version > self._asked]
            self._asked = version
        return self._vocabulary.at(max(version, self._begins)), self._bins.at(version), self._edge_changes

    def offsets_after(self, version: int) -> Mapping[int, int]:
        """Partition of `vocab-deltas` -> the offset after its last delta up to `version`. There a replica that starts
        from that version's view goes on. Partitions without such a delta are absent."""
        for partition, ahead in self._ahead.items():
            while ahead and ahead[0][0] <= version:
                self._next[partition] = ahead.popleft()[1] + 1
        return dict(self._next)

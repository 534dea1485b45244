"""The trainer's vocabulary and bins: local replicas of the delta logs, moved on by the examples and not by the clock.

Which version a batch is learned with is a function of the examples alone, so the deltas read ahead of it wait here: a
replica applies just as many as the version asks for. A version is reached once the logs are complete through it.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Mapping

from contracts.columnar import VocabDelta
from contracts.records import BinsVersion
from contracts.settings import Settings
from featurestore.bins.replica import Bins, BinsView
from vocab.replica.vocabulary import Vocabulary, VocabularyView

_log = logging.getLogger(__name__)

VERSIONS_BEHIND = 2  # windows between the newest example and the version it is learned with: time to close and travel


def target_version(newest_at_ms: int, window_ms: int, current: int) -> int:
    """The version to learn a batch with whose newest impression is of `newest_at_ms`; never a step back."""
    return max(current, newest_at_ms // window_ms - VERSIONS_BEHIND, 0)


class Versions:
    """Both replicas. The vocabulary goes on from a view, the bins (a short log) from the beginning of theirs."""

    def __init__(self, settings: Settings, start: VocabularyView, offsets: Mapping[int, int]) -> None:
        """`offsets`: where the log of `vocab-deltas` goes on after `start`, by partition; absent = its beginning."""
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
        self._begins = 0  # of a vocabulary that was made of another: its first version, which has that one's keys

    def feed_vocabulary(self, partition: int, offset: int, delta: VocabDelta) -> None:
        """The next record of one partition of `vocab-deltas`; those of other vocabularies are passed over."""
        if delta.vocabulary != self._name:
            if delta.shard == 0 and delta.settings is not None and delta.settings.made_of == self._name:
                _log.warning(
                    "vocabulary %s ends at version %d, of which %s was made: set vocab.name, and vocab.shards "
                    "to %d", self._name, delta.version, delta.vocabulary, delta.settings.shards,
                )  # fmt: skip
            return
        self._deltas[partition].append(delta)
        self._ahead[partition].append((delta.version, offset))

    def feed_bins(self, version: BinsVersion) -> None:
        """The next record of `bins`."""
        self._edges.append(version)

    def waiting_deltas(self, partition: int) -> int:
        """Records of one partition of `vocab-deltas` that no version has asked for yet."""
        return len(self._deltas[partition])

    def waiting_bins(self) -> int:
        """Records of `bins` that no version has asked for yet."""
        return len(self._edges)

    def reach(self, version: int) -> bool:
        """Apply what leads to `version`; whether both replicas are complete through it now.

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
        """(vocabulary, bins): the newest version that each has been asked for and has reached."""
        return self._vocabulary.complete_through, self._bins.complete_through

    def at(self, version: int) -> tuple[VocabularyView, BinsView, list[BinsVersion]]:
        """Both at a version that `reach` said is reached, and the edge changes since the one asked for before.

        Versions are asked for in ascending order; the same one may be asked for again. Before the first version of a
        vocabulary that was made of another, there is that first one: its keys were held then, too.
        """
        if version > self._asked:
            self._edge_changes = [change for change in self._edge_changes if change.version > self._asked]
            self._asked = version
        return self._vocabulary.at(max(version, self._begins)), self._bins.at(version), self._edge_changes

    def offsets_after(self, version: int) -> Mapping[int, int]:
        """Partition of `vocab-deltas` -> the offset after its last delta up to `version`: where a replica that begins
        at that version's view goes on. Partitions whose log has none yet are absent."""
        for partition, ahead in self._ahead.items():
            while ahead and ahead[0][0] <= version:
                self._next[partition] = ahead.popleft()[1] + 1
        return dict(self._next)

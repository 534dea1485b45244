"""The trainer without Kafka: consumed records in, published snapshots out. It may be killed and resumed at any point.

It learns records in *groups*: consecutive records, in the order consumed, until they have a batch's worth of rows. A
group is learned with one version, offsets move by whole groups, and publication follows a group. So neither the
bounds of a group nor the weights depend on which records came in one poll. A group that is not full when the trainer
stops is not learned; it is read again.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.examples import Examples
from contracts.records import ModelPublished
from contracts.settings import Settings
from featurestore.features import FEATURE_SET
from model.folder import remove_old
from model.snapshot import Manifest, Snapshot
from trainer import checkpoint
from trainer.checkpoint import Cut, Folders, Mode
from trainer.learner import Learner
from trainer.versions import Versions, target_version
from transport.ports.files import Files
from transport.system.disk import DISK
from vocab.replica.vocabulary import FrozenVocabulary

_log = logging.getLogger(__name__)
NEVER_MS = 2**63 - 1
KEEP_ANNOUNCED = 5  # versions kept whatever the settings say: a scorer may be about to load one


@dataclass(frozen=True, slots=True)
class Consumed:
    """One record of `examples`; `examples` is None if it was a dead letter."""

    partition: int
    offset: int
    examples: Examples | None


class Trainer:
    """A learner with its place in the log.

    `observe` until `full`, then `learn` until it returns True, then `publish` if `due`. topic_ids: topic -> the id of
    the topic that is read; whoever reads sets it.
    """

    def __init__(self, settings: Settings, epoch: int = 1, files: Files = DISK) -> None:
        """Resume from the newest checkpoint, or begin. epoch: of this trainer's term (`trainer/term.py`).

        Raises as `checkpoint.load_newest` does.
        """
        self.folders = Folders.of(settings, files)
        self.learner = Learner(settings)
        self.epoch = epoch
        self._settings = settings
        self._mode = Mode.of(settings)
        self._group: list[Examples] = []
        # Event times of the examples learned since the last publication.
        self._first_unpublished_ms, self._newest_ms = NEVER_MS, 0
        cut = checkpoint.load_newest(self.folders, self.learner)
        self.announced = cut.published if cut else None
        self._changes_vocabulary = cut is not None and cut.vocabulary != settings.vocab.name
        if cut and self._changes_vocabulary:
            _log.info(
                "vocabulary %s takes the place of %s: what was learned of a key goes to its new row",
                settings.vocab.name,
                cut.vocabulary,
            )
            self.versions = Versions(settings, FrozenVocabulary.empty(settings.vocab), {})
        else:
            self.versions = Versions(settings, self.learner.vocabulary, cut.delta_offsets if cut else {})
        self.topic_ids: Mapping[str, str] = cut.topic_ids if cut else {}
        self._learned: dict[int, int] = dict(cut.published.offsets) if cut else {}
        self._observed = dict(self._learned)
        self.delta_offsets: Mapping[int, int] = cut.delta_offsets if cut and not self._changes_vocabulary else {}
        if cut and cut.mode != self._mode:
            _log.warning(
                "resuming in another mode than before, so weights may differ: %s, was %s", self._mode, cut.mode
            )

    @property
    def offsets(self) -> Mapping[int, int]:
        """Partition -> first offset of `examples` not learned yet; absent if none of the partition was learned."""
        return self._learned

    @property
    def full(self) -> bool:
        """Whether the group must be learned before another record is observed."""
        return sum(len(part) for part in self._group) >= self._settings.trainer.batch_size

    @property
    def target(self) -> int:
        """The version of vocabulary and bins to learn the group with."""
        return target_version(self._newest_of_group(), self._settings.time.window_ms, self.learner.vocabulary.version)

    @property
    def due(self) -> bool:
        """Whether enough was learned since the last publication to publish again, by examples or by event time."""
        settings = self._settings.trainer
        if self.learner.progress.examples >= settings.publish_every_examples:
            return True
        return self._newest_ms - self._first_unpublished_ms >= settings.publish_every_ms

    def observe(self, record: Consumed) -> None:
        """Add the next record to the group."""
        if record.examples is not None and len(record.examples):
            self._group.append(record.examples)
        self._observed[record.partition] = record.offset + 1

    def learn(self) -> bool:
        """Learn the group with its target version. While that is not reached, do nothing and return False."""
        target = self.target
        if not self.versions.reach(target):
            return False
        vocabulary, bins, edge_changes = self.versions.at(target)
        if self._changes_vocabulary:
            self.learner.follow_keys(vocabulary)
            self._changes_vocabulary = False
        self.learner.move_to(vocabulary, bins, edge_changes)
        self.learner.learn(self._group)
        newest_ms = self._newest_of_group()
        self._first_unpublished_ms = min(self._first_unpublished_ms, newest_ms)
        self._newest_ms = max(self._newest_ms, newest_ms)
        self._group = []
        self._learned = dict(self._observed)
        return True

    def _newest_of_group(self) -> int:
        return max(int(part.at_ms.max()) for part in self._group)

    def publish(self, now_ms: int) -> ModelPublished:
        """Write snapshot and checkpoint of this cut; returns the record that the caller must announce."""
        learner = self.learner
        evaluation = learner.progress.close()
        version = self.announced.version + 1 if self.announced else 1
        path = self.folders.models / str(version)
        published = ModelPublished(
            name=self._settings.trainer.name,
            version=version,
            epoch=self.epoch,
            path=str(path),
            vocab_version=learner.vocabulary.version,
            bins_version=learner.bins.version,
            examples_seen=learner.examples_seen,
            offsets=dict(self._learned),
            published_ms=now_ms,
            evaluation=evaluation,
        )
        manifest = Manifest(
            name=published.name,
            version=version,
            epoch=self.epoch,
            feature_set=FEATURE_SET,
            config=learner.config,
            vocab_version=published.vocab_version,
            bins_version=published.bins_version,
            examples_seen=published.examples_seen,
            offsets=published.offsets,
            evaluation=evaluation,
        )
        weights, calibrator = learner.weights(), learner.progress.calibrator
        Snapshot(manifest, weights, learner.vocabulary, learner.bins, calibrator).save(path, self.folders.files)
        cut = Cut(
            published=published,
            delta_offsets=dict(self.versions.offsets_after(learner.vocabulary.version)),
            feature_set=FEATURE_SET,
            config=learner.config,
            topic_ids=dict(self.topic_ids),
            mode=self._mode,
            vocabulary=self._settings.vocab.name,
        )
        checkpoint.save(self.folders, cut, learner)
        keep = max(KEEP_ANNOUNCED, self._settings.trainer.keep_snapshots)
        remove_old(self.folders.files, self.folders.models, keep)
        self.announced = published
        self._first_unpublished_ms, self._newest_ms = NEVER_MS, 0
        return published

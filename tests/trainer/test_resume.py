"""A trainer that is killed anywhere and resumed ends with the bits of one that was not."""

import functools
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contracts.errors import DriftlineError, SettingsError, SnapshotInvalid
from contracts.records import ModelPublished
from contracts.settings import Settings
from model.calibration import fit
from model.folder import digest, read_folder, versions_in, write_folder
from model.snapshot import Snapshot
from tests.support.trainer_world import START_MS, WINDOWS, World, small_settings
from trainer import checkpoint, progressive_validation
from trainer.checkpoint import Folders
from trainer.interleave import Interleave
from trainer.trainer import Consumed, Trainer
from transport.system.disk import DISK

PARTITIONS = 3
SETTINGS = {"batch_size": 64, "publish_every_examples": 200}

pytestmark = pytest.mark.usefixtures("one_thread")


class Killed(Exception):
    """The process is gone."""


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # these tests write hundreds of folders and cut no power


class Log:
    """The three topics in memory. Event time crosses four windows, so the vocabulary moves while it is learned."""

    def __init__(self) -> None:
        world, self.settings = World(), small_settings("", **SETTINGS)
        start = (WINDOWS[0] + 1) * 60_000
        self.examples: list[list[Consumed]] = [[] for _ in range(PARTITIONS)]
        for number in range(24):
            partition = number % PARTITIONS
            examples = None if number == 10 else world.examples(3 + number % 4, start + number * 10_000)[0]
            self.examples[partition].append(Consumed(partition, len(self.examples[partition]), examples))
        self.deltas = [world.vocabulary_log(self.settings, range(WINDOWS[0], WINDOWS[0] + 4))]
        self.bins = world.bins_log(range(WINDOWS[0], WINDOWS[0] + 4))
        assert start + 24 * 10_000 < START_MS + 600_000

    def follow(self, trainer: Trainer) -> Interleave[Consumed]:
        """Feed what a reader would, from the trainer's offsets on."""
        merged: Interleave[Consumed] = Interleave(range(PARTITIONS))
        for partition, records in enumerate(self.examples):
            for record in records[trainer.offsets.get(partition, 0) :]:
                merged.offer(partition, -1 if record.examples is None else int(record.examples.at_ms[-1]), record)
        for partition, deltas in enumerate(self.deltas):
            begin = trainer.delta_offsets.get(partition, 0)
            for offset, delta in enumerate(deltas[begin:], begin):
                trainer.versions.feed_vocabulary(partition, offset, delta)
        for version in self.bins:
            trainer.versions.feed_bins(version)
        return merged


LOG = Log()


def _run(settings: Settings, steps: int | None = None, epoch: int = 1) -> tuple[Trainer, list[ModelPublished]]:
    """One life of a trainer: to the end of the log, or killed after so many steps."""
    trainer = Trainer(settings, epoch)
    announced = [trainer.announced] if trainer.announced else []
    merged = LOG.follow(trainer)
    while (record := merged.take(range(PARTITIONS))) is not None:
        if steps is not None:
            steps -= 1
            if steps < 0:
                return trainer, announced
        trainer.observe(record)
        if trainer.full:
            assert trainer.learn()
            if trainer.due:
                announced.append(trainer.publish(now_ms=0))
    return trainer, announced


def _bits(trainer: Trainer) -> str:
    return digest(
        {**trainer.learner.weights(), **trainer.learner.optimizer(), **trainer.learner.progress.to_arrays()}
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, list[ModelPublished]]:
    trainer, announced = _run(small_settings(str(tmp_path_factory.mktemp("whole")), **SETTINGS))
    assert len(announced) >= 3
    assert len({published.vocab_version for published in announced}) > 1
    return trainer, announced


@pytest.mark.slow
@given(lives=st.lists(st.integers(0, 24), max_size=4))
@hypothesis_settings(deadline=None, max_examples=15)
def test_kills_between_any_steps_change_no_bit(
    uninterrupted: tuple[Trainer, list[ModelPublished]],
    tmp_path_factory: pytest.TempPathFactory,
    lives: list[int],
) -> None:
    whole, expected = uninterrupted
    settings = small_settings(str(tmp_path_factory.mktemp("killed")), **SETTINGS)
    announced: dict[int, ModelPublished] = {}
    for epoch, steps in enumerate([*lives, None], 1):
        trainer, of_life = _run(settings, steps, epoch)
        for published in of_life:
            again = announced.setdefault(published.version, published)
            assert again == published, "a version that was announced must never be announced otherwise"
    assert _bits(trainer) == _bits(whole)
    assert trainer.offsets == whole.offsets
    assert list(announced) == [published.version for published in expected]
    for published, of_whole in zip(announced.values(), expected, strict=True):
        assert digest(Snapshot.load(Path(published.path)).weights) == digest(
            Snapshot.load(Path(of_whole.path)).weights
        )
        assert (published.offsets, published.evaluation) == (of_whole.offsets, of_whole.evaluation)


@pytest.mark.parametrize("crash_at", ["snapshot", "checkpoint", "announcement"])
def test_a_crash_within_a_publication_is_made_good(
    uninterrupted: tuple[Trainer, list[ModelPublished]],
    tmp_path: Path,
    crash_at: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = small_settings(str(tmp_path), **SETTINGS)

    def crash(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if crash_at == "snapshot":
            patch.setattr(Snapshot, "save", crash)
        elif crash_at == "checkpoint":
            patch.setattr(checkpoint, "save", crash)
        else:
            patch.setattr("trainer.trainer.remove_old", crash)
        with pytest.raises(Killed):
            _run(settings)
    trainer, announced = _run(settings, epoch=2)
    assert [published.version for published in announced] == [of.version for of in uninterrupted[1]]
    assert announced[0].epoch == (1 if crash_at == "announcement" else 2)
    assert _bits(trainer) == _bits(uninterrupted[0])


def test_a_snapshot_names_the_offsets_that_it_has_not_learned_from(
    uninterrupted: tuple[Trainer, list[ModelPublished]],
) -> None:
    for published in uninterrupted[1]:
        learned = sum(
            len(record.examples)
            for partition, end in published.offsets.items()
            for record in LOG.examples[partition][:end]
            if record.examples is not None
        )
        assert learned == published.examples_seen


def test_old_snapshots_and_checkpoints_go(tmp_path: Path) -> None:
    settings = small_settings(str(tmp_path), batch_size=64, publish_every_examples=64, keep_snapshots=1)
    trainer, announced = _run(settings)
    newest = announced[-1].version
    assert newest > 6
    assert versions_in(DISK, trainer.folders.models) == list(range(newest - 4, newest + 1))
    assert versions_in(DISK, trainer.folders.checkpoints) == [newest - 1, newest]


def test_a_trainer_waits_while_its_version_is_not_there(tmp_path: Path) -> None:
    trainer = Trainer(small_settings(str(tmp_path), **SETTINGS))
    world = World()
    trainer.observe(Consumed(0, 0, world.examples(10)[0]))
    assert trainer.full
    before = _bits(trainer)
    assert not trainer.learn()
    assert trainer.versions.complete_through == (0, 0)
    for offset, delta in enumerate(world.vocabulary_log(LOG.settings, WINDOWS)):
        trainer.versions.feed_vocabulary(0, offset, delta)
    assert not trainer.learn()
    for version in world.bins_log(WINDOWS):
        trainer.versions.feed_bins(version)
    assert trainer.learn()
    assert trainer.learner.vocabulary.version == WINDOWS[-1]
    assert _bits(trainer) != before


@pytest.mark.parametrize(
    ("file", "name"), [("optimizer", "linear_moment"), ("weights", "hidden1_bias"), ("recent", "labels")]
)
def test_a_checkpoint_whose_arrays_have_other_shapes_is_refused(tmp_path: Path, file: str, name: str) -> None:
    """Not spread over the rows that there are, as an assignment of one row would be."""
    settings = small_settings(str(tmp_path), **SETTINGS)
    trainer, announced = _run(settings)
    newest = trainer.folders.checkpoints / str(announced[-1].version)
    content, arrays = read_folder(DISK, newest, checkpoint.FORMAT)
    arrays[file][name] = arrays[file][name][:1]
    write_folder(DISK, newest, checkpoint.FORMAT, msgspec.json.decode(content, type=checkpoint.Cut), arrays)
    with pytest.raises(SnapshotInvalid, match=rf"checkpoint .*{name}.*remove it to resume"):
        Trainer(settings)
    del arrays[file]
    write_folder(DISK, newest, checkpoint.FORMAT, msgspec.json.decode(content, type=checkpoint.Cut), arrays)
    with pytest.raises(SnapshotInvalid, match="a checkpoint is"):
        Trainer(settings)


def test_a_damaged_checkpoint_is_refused_with_the_way_out(tmp_path: Path) -> None:
    settings = small_settings(str(tmp_path), **SETTINGS)
    trainer, announced = _run(settings)
    newest = trainer.folders.checkpoints / str(announced[-1].version)
    weights = newest / "optimizer.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    with pytest.raises(SnapshotInvalid, match="remove it to resume from the one before"):
        Trainer(settings)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    _run(small_settings(str(tmp_path), **SETTINGS))
    with pytest.raises(SettingsError, match="DRIFTLINE_TRAINER_NAME"):
        Trainer(small_settings(str(tmp_path), embedding_dim=4, **SETTINGS))


def test_another_mode_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _run(small_settings(str(tmp_path), **SETTINGS))
    Trainer(small_settings(str(tmp_path), learning_rate=0.01, **SETTINGS))
    assert "resuming in another mode" in caplog.text


def test_two_trainers_do_not_share_a_folder(tmp_path: Path) -> None:
    folders = Folders.of(small_settings(str(tmp_path)))
    with (
        checkpoint.locked(folders),
        pytest.raises(DriftlineError, match="another trainer"),
        checkpoint.locked(folders),
    ):
        pytest.fail("the second one got in")
    with checkpoint.locked(folders):
        pass


def test_calibrators_go_by_the_count_of_examples_whenever_versions_are_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay publishes at other times (wall clock, another setting); weights and calibrator come out the same."""
    monkeypatch.setattr(progressive_validation, "FIT_AFTER", 200)
    monkeypatch.setattr(progressive_validation, "fit", functools.partial(fit, minimum=100))
    often, _ = _run(small_settings(str(tmp_path / "often"), batch_size=64, publish_every_examples=64))
    seldom, announced = _run(small_settings(str(tmp_path / "seldom"), batch_size=64, publish_every_examples=10**9))
    assert not announced
    assert len(often.learner.progress.calibrator.x) > 0
    assert digest(often.learner.progress.calibrator.to_arrays()) == digest(
        seldom.learner.progress.calibrator.to_arrays()
    )
    assert _bits(often) == _bits(seldom)


def test_a_version_is_due_by_event_time_since_its_first_example(tmp_path: Path) -> None:
    settings = small_settings(str(tmp_path), batch_size=64, publish_every_examples=10**9, publish_every_ms=20_000)
    trainer, announced = _run(settings)
    assert len(announced) >= 2
    whole, _ = _run(small_settings(str(tmp_path / "whole"), batch_size=64, publish_every_examples=10**9))
    assert _bits(trainer) == _bits(whole)
    again, announced_again = _run(msgspec.structs.replace(settings, data_dir=str(tmp_path / "again")))
    assert [published.offsets for published in announced] == [published.offsets for published in announced_again]
    assert _bits(again) == _bits(trainer)

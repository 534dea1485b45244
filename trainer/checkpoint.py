"""A checkpoint: a trainer at one cut, from which it resumes as if it had never stopped.

    <data_dir>/trainer/<name>/
        lock                      held by the running trainer
        checkpoints/<version>/    written whole or not at all (`model/folder.py`)
            manifest.json         content: `Cut`
            weights, vocabulary, bins, calibrator    as in the snapshot of the same version
            optimizer             row-wise Adagrad moments, Adam's moments and steps
            recent                the newest predictions, for the next calibrator

Its version is that of the snapshot taken at the same cut. It is written after the snapshot and before the snapshot is
announced: a trainer that died in between announces it again, word for word.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from contracts.errors import DriftlineError, SettingsError, SnapshotInvalid
from contracts.records import ModelPublished
from contracts.settings import Settings
from featurestore.bins.replica import FrozenBins
from featurestore.features import FEATURE_SET
from model.calibration import Calibrator
from model.config import ModelConfig
from model.folder import Arrays, read_folder, remove_old, versions_in, write_folder
from trainer.learner import Learner
from transport.ports.files import Files
from transport.system.disk import DISK
from vocab.replica.vocabulary import FrozenVocabulary

FORMAT = "driftline.checkpoint.1"
_FILES = {"weights", "vocabulary", "bins", "calibrator", "optimizer", "recent"}
KEEP_CHECKPOINTS = 2  # the newest, and the one before it for a person whose disk damaged the newest


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """What the bits of the weights depend on beside the examples."""

    batch_size: int
    learning_rate: float
    seed: int
    threads: int
    torch: str
    instruction_set: str

    @staticmethod
    def of(settings: Settings) -> "Mode":
        """The mode of this process."""
        return Mode(
            batch_size=settings.trainer.batch_size,
            learning_rate=settings.trainer.learning_rate,
            seed=settings.trainer.seed,
            threads=torch.get_num_threads(),
            torch=str(torch.__version__),
            instruction_set=torch.backends.cpu.get_cpu_capability(),
        )


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """The scalars of a checkpoint. `published`, with the offsets of `examples`, is what was announced, or is to be;
    `delta_offsets[p]`: first offset of `vocab-deltas` partition p that the vocabulary at this cut has not taken in.
    `vocabulary`: the name of that. `topic_ids[topic]`: of the topics that have these offsets.
    """

    published: ModelPublished
    delta_offsets: dict[int, int]
    topic_ids: dict[str, str]
    feature_set: str
    config: ModelConfig
    mode: Mode
    vocabulary: str


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one trainer keeps its things: on `files`, at `root` and `models`."""

    root: Path
    models: Path
    files: Files

    @staticmethod
    def of(settings: Settings, files: Files = DISK) -> "Folders":
        """Under the data folder, by the trainer's name."""
        data = Path(settings.data_dir).absolute()
        return Folders(data / "trainer" / settings.trainer.name, data / "models" / settings.trainer.name, files)

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.root / "checkpoints"


def save(folders: Folders, cut: Cut, learner: Learner) -> None:
    """Write the checkpoint of this cut; older ones than `KEEP_CHECKPOINTS` go."""
    arrays: dict[str, Arrays] = {
        "weights": learner.weights(),
        "vocabulary": learner.vocabulary.to_arrays(),
        "bins": learner.bins.to_arrays(),
        "calibrator": learner.progress.calibrator.to_arrays(),
        "optimizer": learner.optimizer(),
        "recent": learner.progress.to_arrays(),
    }
    write_folder(folders.files, folders.checkpoints / str(cut.published.version), FORMAT, cut, arrays)
    remove_old(folders.files, folders.checkpoints, KEEP_CHECKPOINTS)


def load_newest(folders: Folders, learner: Learner) -> Cut | None:
    """Set `learner` to the newest checkpoint; None if there is none.

    Raises `SnapshotInvalid` if it is damaged (an older one is not taken in silence) and `SettingsError` if the
    settings describe another model.
    """
    versions = versions_in(folders.files, folders.checkpoints)
    if not versions:
        return None
    path = folders.checkpoints / str(versions[-1])
    try:
        content, arrays = read_folder(folders.files, path, FORMAT)
        if set(arrays) != _FILES:
            raise SnapshotInvalid(f"holds {sorted(arrays)}, but a checkpoint is {sorted(_FILES)}")
        cut = msgspec.json.decode(content, type=Cut)
    except (SnapshotInvalid, msgspec.MsgspecError) as error:
        raise _invalid(path, error) from error
    same_size = msgspec.structs.replace(cut.config, num_slots=learner.config.num_slots)  # that is the log's to say
    if same_size != learner.config or cut.feature_set != FEATURE_SET:
        raise SettingsError(
            f"checkpoint {path} is of a model {cut.config} over feature set {cut.feature_set}, but the settings "
            f"describe {learner.config} over {FEATURE_SET}; set DRIFTLINE_TRAINER_NAME to begin another model"
        )
    try:
        learner.restore(
            arrays["weights"],
            arrays["optimizer"],
            FrozenVocabulary.from_arrays(arrays["vocabulary"]),
            FrozenBins.from_arrays(arrays["bins"]),
        )
        learner.progress.restore(arrays["recent"], Calibrator.from_arrays(arrays["calibrator"]))
    except SnapshotInvalid as error:
        raise _invalid(path, error) from error
    learner.examples_seen = cut.published.examples_seen
    return cut


def _invalid(path: Path, error: Exception) -> SnapshotInvalid:
    return SnapshotInvalid(f"checkpoint {path}: {error}; remove it to resume from the one before")


@contextlib.contextmanager
def locked(folders: Folders) -> Iterator[None]:
    """Held while a trainer works on its folder. Raises `DriftlineError` if another process holds it."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(folders.files.lock(folders.root / "lock"))
        except BlockingIOError as error:
            raise DriftlineError(
                f"another trainer works in {folders.root}; stop it, or set DRIFTLINE_TRAINER_NAME to another name"
            ) from error
        yield

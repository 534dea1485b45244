"""A snapshot: everything that serving needs of one model, at one cut, as data. See `model/folder.py` for the bytes.

<data_dir>/models/<name>/<version>/
    manifest.json            content: `Manifest`
    weights.safetensors      embedding, linear, bin_embedding, bin_linear and the dense parameters, float32
    vocabulary.safetensors   the vocabulary at `vocab_version`, as `FrozenVocabulary.to_arrays` gives it
    bins.safetensors         the bins at `bins_version`, likewise
    calibrator.safetensors   x, y: the knots from logit to rate
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from contracts.declared_arrays import checked
from contracts.errors import SettingsError, SnapshotInvalid
from contracts.records import Count, Evaluation
from featurestore.bins.replica import BIN_ROWS, FrozenBins
from featurestore.features import CANDIDATE_SIDE, FEATURE_SET, VIEWER_SIDE
from model.calibration import Calibrator
from model.config import CROSSES, ModelConfig
from model.folder import Arrays, read_content, read_folder, write_folder
from transport.ports.files import Files
from transport.system.disk import DISK
from vocab.replica.vocabulary import FrozenVocabulary

FORMAT = "driftline.snapshot.1"
# Largest magnitude of a weight. What is served has magnitudes of up to `contracts.columns.MOST_MAGNITUDE`, so no sum
# of the ranking kernels leaves float32 (`tests/model/test_largest_weights.py`). Sound models stay under 100.
MOST_WEIGHT = 10_000.0
_FILES = {"weights", "vocabulary", "bins", "calibrator"}


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds. `offsets[p]`: first offset of partition p of `examples` that it has not learned from."""

    name: str
    version: Count
    epoch: Count
    feature_set: str
    config: ModelConfig
    vocab_version: Count
    bins_version: Count
    examples_seen: Count
    offsets: dict[int, int]
    evaluation: Evaluation | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Weights with the versions that they were trained with."""

    manifest: Manifest
    weights: Arrays
    vocabulary: FrozenVocabulary
    bins: FrozenBins
    calibrator: Calibrator

    def save(self, path: Path, files: Files = DISK) -> None:
        """Write the folder `path`. Raises `SnapshotInvalid` if its reader would."""
        check_weights(self.weights, self.manifest.config, str(path))
        arrays = {
            "weights": self.weights,
            "vocabulary": self.vocabulary.to_arrays(),
            "bins": self.bins.to_arrays(),
            "calibrator": self.calibrator.to_arrays(),
        }
        write_folder(files, path, FORMAT, self.manifest, arrays)

    @staticmethod
    def load(path: Path, files: Files = DISK) -> "Snapshot":
        """Read and check everything. Raises `SnapshotInvalid`, naming the file and the fault."""
        content, arrays = read_folder(files, path, FORMAT)
        manifest = _manifest(path, content)
        if set(arrays) != _FILES:
            raise SnapshotInvalid(f"{path}: holds {sorted(arrays)}, but a snapshot is {sorted(_FILES)}")
        if manifest.feature_set != FEATURE_SET:
            raise SnapshotInvalid(
                f"{path}: made for the feature set {manifest.feature_set}, but this code computes {FEATURE_SET}; "
                "run the release that made it, or train anew"
            )
        check_weights(arrays["weights"], manifest.config, str(path))
        snapshot = Snapshot(
            manifest=manifest,
            weights=arrays["weights"],
            vocabulary=FrozenVocabulary.from_arrays(arrays["vocabulary"]),
            bins=FrozenBins.from_arrays(arrays["bins"]),
            calibrator=Calibrator.from_arrays(arrays["calibrator"]),
        )
        _check_versions(snapshot, path)
        return snapshot


def read_manifest(path: Path, files: Files = DISK) -> Manifest:
    """The manifest alone, without the arrays. Raises `SnapshotInvalid`."""
    return _manifest(path, read_content(files, path, FORMAT))


def check_weights(weights: Arrays, config: ModelConfig, where: str) -> None:
    """Raises `SnapshotInvalid` unless these are exactly the arrays of this config, within MOST_WEIGHT, and the config
    has the bins and vectors of the feature set. The kernels check no bounds, so this must."""
    sizes = config.bin_rows, config.viewer_vector_width, config.candidate_vector_width
    declared = BIN_ROWS, VIEWER_SIDE.vector_width, CANDIDATE_SIDE.vector_width
    if sizes != declared:
        raise SnapshotInvalid(
            f"{where}: laid out for (rows of bins, widths of vectors) {sizes}, but the features have {declared}"
        )
    shapes = {name: (np.float32, shape) for name, shape in _shapes(config).items()}
    for name, array in zip(shapes, checked(f"{where}: weights", weights, shapes), strict=True):
        if not (np.abs(array) <= MOST_WEIGHT).all():
            raise SnapshotInvalid(
                f"{where}: {name} has elements that are not finite or are past +-{MOST_WEIGHT:g}, so the model "
                "diverged; lower DRIFTLINE_TRAINER_LEARNING_RATE"
            )


def _check_versions(snapshot: Snapshot, path: Path) -> None:
    manifest, vocabulary, bins = snapshot.manifest, snapshot.vocabulary, snapshot.bins
    wanted = manifest.config.num_slots, manifest.vocab_version, manifest.bins_version
    found = vocabulary.num_slots, vocabulary.version, bins.version
    if found != wanted:
        raise SnapshotInvalid(
            f"{path}: the manifest names (rows of the vocabulary, its version, version of the bins) {wanted}, but "
            f"the arrays are of {found}"
        )


def _shapes(config: ModelConfig) -> dict[str, tuple[int | None, ...]]:
    first, second = config.hidden
    return {
        "embedding": (config.num_slots, config.dim),
        "linear": (config.num_slots,),
        "bin_embedding": (config.bin_rows, config.bin_dim),
        "bin_linear": (config.bin_rows,),
        "hidden1_weight": (first, config.interaction_width),
        "hidden1_bias": (first,),
        "hidden2_weight": (second, first),
        "hidden2_bias": (second,),
        "output_weight": (second,),
        "cross_weights": (len(CROSSES) * config.dim,),
        "bias": (1,),
        "position_bias": (config.positions,),
    }


def _manifest(path: Path, content: bytes) -> Manifest:
    try:
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, SettingsError) as error:  # the latter for a config that cannot be
        raise SnapshotInvalid(f"{path}: manifest: {error}") from error

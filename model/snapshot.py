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

from contracts.errors import SnapshotInvalid
from contracts.records import Evaluation
from featurestore.bins.replica import FrozenBins
from featurestore.features import CANDIDATE_SIDE, FEATURE_SET, VIEWER_SIDE
from model.calibration import Calibrator
from model.config import CROSSES, ModelConfig
from model.folder import Arrays, read_content, read_folder, write_folder
from transport.ports.files import Files
from transport.system.disk import DISK
from vocab.replica.vocabulary import FrozenVocabulary

FORMAT = "driftline.snapshot.1"
_FILES = {"weights", "vocabulary", "bins", "calibrator"}


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds. `offsets[p]`: first offset of partition p of `examples` that it has not learned from."""

    name: str
    version: int
    epoch: int
    feature_set: str
    config: ModelConfig
    vocab_version: int
    bins_version: int
    examples_seen: int
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
        """Write the folder `path`. Raises `SnapshotInvalid` if a weight is not finite: that must not be served."""
        check_weights(self.weights, self.manifest.config, str(path))
        for name, array in self.weights.items():
            if not np.isfinite(array).all():
                raise SnapshotInvalid(
                    f"{path}: {name} is not finite, so the model diverged; lower DRIFTLINE_TRAINER_LEARNING_RATE"
                )
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
        if snapshot.vocabulary.num_slots != manifest.config.num_slots:
            raise SnapshotInvalid(
                f"{path}: the vocabulary has {snapshot.vocabulary.num_slots} slots, "
                f"the embedding table {manifest.config.num_slots}"
            )
        return snapshot


def read_manifest(path: Path, files: Files = DISK) -> Manifest:
    """The manifest alone, without the arrays. Raises `SnapshotInvalid`."""
    return _manifest(path, read_content(files, path, FORMAT))


def check_weights(weights: Arrays, config: ModelConfig, where: str) -> None:
    """Raises `SnapshotInvalid` unless these are exactly the arrays of this config, in float32, with vectors as wide
    as the declared ones. The kernels check no bounds, so this must."""
    widths = config.viewer_vector_width, config.candidate_vector_width
    declared = VIEWER_SIDE.vector_width, CANDIDATE_SIDE.vector_width
    if widths != declared:
        raise SnapshotInvalid(f"{where}: laid out for vectors of widths {widths}, but the features have {declared}")
    expected = _shapes(config)
    found = {name: array.shape for name, array in weights.items()}
    if found != expected:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise SnapshotInvalid(f"{where}: weights {', '.join(wrong)} do not fit the config in the manifest")
    for name, array in weights.items():
        if array.dtype != np.float32:
            raise SnapshotInvalid(f"{where}: {name} is {array.dtype}, not float32")


def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
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
    except msgspec.MsgspecError as error:
        raise SnapshotInvalid(f"{path}: manifest: {error}") from error

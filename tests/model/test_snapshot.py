"""A snapshot comes back bit for bit, or is refused with the file and the fault."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contracts.errors import SnapshotInvalid
from model.folder import Arrays, digest, remove_old, versions_in, write_folder
from model.snapshot import FORMAT, Snapshot, read_manifest
from tests.support.trainer_world import World, small_settings, snapshot_of, trained
from transport.system.disk import DISK


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return snapshot_of(trained(World(), small_settings(""), 150))


@pytest.fixture(scope="module")
def saved(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "1"
    snapshot.save(path)
    return path


def _files(snapshot: Snapshot) -> dict[str, Arrays]:
    """The arrays of a snapshot's files."""
    return {
        "weights": snapshot.weights,
        "vocabulary": snapshot.vocabulary.to_arrays(),
        "bins": snapshot.bins.to_arrays(),
        "calibrator": snapshot.calibrator.to_arrays(),
    }


def test_a_snapshot_comes_back_bit_for_bit(snapshot: Snapshot, saved: Path) -> None:
    again = Snapshot.load(saved)
    assert again.manifest == snapshot.manifest
    assert again.manifest.evaluation is not None
    assert digest(again.weights) == digest(snapshot.weights)
    assert digest(again.vocabulary.to_arrays()) == digest(snapshot.vocabulary.to_arrays())
    assert digest(again.bins.to_arrays()) == digest(snapshot.bins.to_arrays())
    assert digest(again.calibrator.to_arrays()) == digest(snapshot.calibrator.to_arrays())
    assert len(again.calibrator.x) > 1
    assert read_manifest(saved) == snapshot.manifest


def test_nothing_but_data_is_written(saved: Path) -> None:
    names = sorted(file.name for file in saved.iterdir())
    arrays = ("bins", "calibrator", "vocabulary", "weights")
    assert names == sorted(["manifest.json", *(f"{name}.safetensors" for name in arrays)])
    assert [entry.name for entry in saved.parent.iterdir()] == ["1"]


@given(data=st.data())
@hypothesis_settings(deadline=None, max_examples=60)
def test_any_damaged_byte_is_found(saved: Path, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(sorted(saved.iterdir())))
    original = file.read_bytes()
    at = data.draw(st.integers(0, len(original) - 1))
    flipped = original[at] ^ (1 << data.draw(st.integers(0, 7)))
    try:
        file.write_bytes(original[:at] + bytes([flipped]) + original[at + 1 :])
        with pytest.raises(SnapshotInvalid, match="1"):
            Snapshot.load(saved)
    finally:
        file.write_bytes(original)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors", "bins.safetensors"])
def test_a_missing_or_cut_file_is_found(saved: Path, name: str) -> None:
    file = saved / name
    original = file.read_bytes()
    file.write_bytes(original[: len(original) // 2])
    with pytest.raises(SnapshotInvalid, match=name):
        Snapshot.load(saved)
    file.unlink()
    with pytest.raises(SnapshotInvalid, match=name):
        Snapshot.load(saved)
    file.write_bytes(original)
    Snapshot.load(saved)


def test_an_unknown_format_is_refused_by_name(saved: Path, tmp_path: Path) -> None:
    write_folder(DISK, tmp_path / "9", "driftline.snapshot.99", msgspec.defstruct("Nothing", [])(), {})
    with pytest.raises(SnapshotInvalid, match=r"snapshot\.99.*snapshot\.1"):
        Snapshot.load(tmp_path / "9")


def test_another_feature_set_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    manifest = msgspec.structs.replace(snapshot.manifest, feature_set="other")
    Snapshot(manifest, snapshot.weights, snapshot.vocabulary, snapshot.bins, snapshot.calibrator).save(tmp_path / "1")
    with pytest.raises(SnapshotInvalid, match="feature set other"):
        Snapshot.load(tmp_path / "1")


def test_a_snapshot_of_a_former_release_is_refused_by_its_feature_set(snapshot: Snapshot, tmp_path: Path) -> None:
    """Its layers had other widths, but that is not what its reader is told."""
    manifest = msgspec.structs.replace(snapshot.manifest, feature_set="4cc45fb252611e21")
    narrower = {**snapshot.weights, "hidden1_weight": snapshot.weights["hidden1_weight"][:, 8:].copy()}
    write_folder(DISK, tmp_path / "1", FORMAT, manifest, {**_files(snapshot), "weights": narrower})
    with pytest.raises(SnapshotInvalid, match=r"feature set 4cc45fb252611e21.*run the release that made it"):
        Snapshot.load(tmp_path / "1")


def test_weights_that_do_not_fit_the_manifest_are_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    weights = {**snapshot.weights, "linear": snapshot.weights["linear"][:-1]}
    with pytest.raises(SnapshotInvalid, match="linear"):
        Snapshot(snapshot.manifest, weights, snapshot.vocabulary, snapshot.bins, snapshot.calibrator).save(
            tmp_path / "1"
        )
    files = {"weights": weights, "vocabulary": {}, "bins": {}, "calibrator": {}}
    write_folder(DISK, tmp_path / "2", FORMAT, snapshot.manifest, files)
    with pytest.raises(SnapshotInvalid, match="linear"):
        Snapshot.load(tmp_path / "2")


def test_a_model_of_other_vectors_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    """Though its weights fit its own config: it would read past the vectors that there are."""
    config = msgspec.structs.replace(snapshot.manifest.config, candidate_vector_width=3)
    layer = np.zeros((config.hidden[0], config.interaction_width), np.float32)
    files = {"weights": {**snapshot.weights, "hidden1_weight": layer}, "vocabulary": {}, "bins": {}, "calibrator": {}}
    write_folder(DISK, tmp_path / "1", FORMAT, msgspec.structs.replace(snapshot.manifest, config=config), files)
    with pytest.raises(
        SnapshotInvalid, match=r"laid out for .* \(1664, 4, 3\), but the features have \(1664, 4, 0\)"
    ):
        Snapshot.load(tmp_path / "1")


def test_a_model_with_fewer_rows_of_bins_than_the_features_have_is_refused(
    snapshot: Snapshot, tmp_path: Path
) -> None:
    """Though its weights fit its own config: the kernels would read past them."""
    config = msgspec.structs.replace(snapshot.manifest.config, bin_rows=10)
    fewer = {name: snapshot.weights[name][:10] for name in ("bin_embedding", "bin_linear")}
    manifest = msgspec.structs.replace(snapshot.manifest, config=config)
    write_folder(
        DISK, tmp_path / "1", FORMAT, manifest, {**_files(snapshot), "weights": {**snapshot.weights, **fewer}}
    )
    with pytest.raises(SnapshotInvalid, match=r"\(10, 4, 0\)"):
        Snapshot.load(tmp_path / "1")


@pytest.mark.parametrize(
    ("config", "complaint"),
    [({"dim": 0}, "at least 1"), ({"hidden": (64, 1 << 40)}, "wider than"), ({"dim": "x"}, "Expected `int`")],
)
def test_a_config_that_cannot_be_is_refused(
    snapshot: Snapshot, tmp_path: Path, config: dict[str, object], complaint: str
) -> None:
    manifest = msgspec.to_builtins(snapshot.manifest, str_keys=True)
    manifest["config"] |= config
    given = msgspec.defstruct("Given", [(name, object) for name in manifest])(**manifest)
    write_folder(DISK, tmp_path / "1", FORMAT, given, _files(snapshot))
    with pytest.raises(SnapshotInvalid, match=complaint):
        Snapshot.load(tmp_path / "1")


@pytest.mark.parametrize("field", ["vocab_version", "bins_version"])
def test_arrays_of_another_version_than_the_manifest_names_are_refused(
    snapshot: Snapshot, tmp_path: Path, field: str
) -> None:
    manifest = msgspec.structs.replace(snapshot.manifest, **{field: 7})
    write_folder(DISK, tmp_path / "1", FORMAT, manifest, _files(snapshot))
    with pytest.raises(SnapshotInvalid, match="the arrays are of"):
        Snapshot.load(tmp_path / "1")


@given(data=st.data())
@hypothesis_settings(deadline=None, max_examples=80)
def test_every_array_is_read_only_as_it_was_declared(
    snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Of another dtype, shorter, longer, of more dimensions, or not there."""
    files = _files(snapshot)
    of = data.draw(st.sampled_from(sorted(files)))
    name = data.draw(st.sampled_from(sorted(files[of])))
    array = files[of][name]
    changes = [
        array.astype(np.float64 if array.dtype != np.float64 else np.float32),
        array[None],
        np.concatenate([array, array[:1]]) if len(array) else np.zeros(1, array.dtype),
        None,
    ]
    changed = data.draw(st.sampled_from(changes))
    arrays = {key: value for key, value in files[of].items() if key != name}
    files[of] = arrays if changed is None else {**arrays, name: changed}
    path = tmp_path_factory.mktemp("changed") / "1"
    write_folder(DISK, path, FORMAT, snapshot.manifest, files)
    with pytest.raises(SnapshotInvalid):
        Snapshot.load(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5])
def test_a_diverged_model_is_not_written(snapshot: Snapshot, tmp_path: Path, value: float) -> None:
    weights = {**snapshot.weights, "bias": np.array([value], np.float32)}
    with pytest.raises(SnapshotInvalid, match="bias has elements that are not finite or are past"):
        Snapshot(snapshot.manifest, weights, snapshot.vocabulary, snapshot.bins, snapshot.calibrator).save(
            tmp_path / "1"
        )
    assert not list(tmp_path.iterdir())


def test_what_an_interrupted_write_left_is_replaced(snapshot: Snapshot, tmp_path: Path) -> None:
    for name in (".1.partial", "1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.safetensors").write_bytes(b"half")
    snapshot.save(tmp_path / "1")
    assert Snapshot.load(tmp_path / "1").manifest == snapshot.manifest
    assert [entry.name for entry in tmp_path.iterdir()] == ["1"]


def test_old_versions_go_and_the_newest_stay(tmp_path: Path) -> None:
    for name in ("1", "2", "10", "9", ".11.partial", "notes"):
        (tmp_path / name).mkdir()
    remove_old(DISK, tmp_path, 2)
    assert versions_in(DISK, tmp_path) == [9, 10]
    assert (tmp_path / "notes").exists()

"""Folders of arrays that are there whole or not at all: what snapshots and checkpoints are made of.

    <folder>/manifest.json        {"checksum", "format", "files": {name: {"bytes", "sha256"}}, "content": {...}}
    <folder>/<name>.safetensors   one set of named arrays each

Data, never code: no pickle anywhere. A folder is written beside its final name as `.<name>.partial`, every file is
fsynced, then it is renamed: a reader never sees half of one. `checksum` is the SHA-256 of the manifest with an empty
checksum, so that damage to any byte of the folder is found by `read_folder`.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from contracts.errors import SnapshotInvalid

Arrays = dict[str, NDArray[Any]]
MANIFEST = "manifest.json"


class _File(msgspec.Struct, frozen=True):
    bytes: int
    sha256: str


class _Manifest(msgspec.Struct, frozen=True):
    checksum: str
    format: str
    files: dict[str, _File]
    content: msgspec.Raw


def write_folder(path: Path, format_name: str, content: msgspec.Struct, files: Mapping[str, Arrays]) -> None:
    """Write `path`, replacing what an interrupted run may have left there. OSErrors pass through."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.partial"
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir()
    entries = {}
    for name, arrays in files.items():
        data = save({key: np.ascontiguousarray(value) for key, value in arrays.items()})
        entries[name] = _File(len(data), hashlib.sha256(data).hexdigest())
        _write_synced(partial / f"{name}.safetensors", data)
    manifest = _Manifest("", format_name, entries, msgspec.Raw(msgspec.json.encode(content)))
    _write_synced(partial / MANIFEST, msgspec.json.encode(msgspec.structs.replace(manifest, checksum=_sum(manifest))))
    _sync_directory(partial)
    if path.exists():
        shutil.rmtree(path)
    partial.rename(path)
    _sync_directory(path.parent)


def read_content(path: Path, format_name: str) -> bytes:
    """The JSON of the manifest's content, checked. Raises `SnapshotInvalid`; the arrays are not looked at."""
    return bytes(_read_manifest(path, format_name).content)


def read_folder(path: Path, format_name: str) -> tuple[bytes, dict[str, Arrays]]:
    """(the JSON of the manifest's content, the arrays of every file), all checked against the checksums.

    Raises `SnapshotInvalid`, naming the file and what is wrong with it.
    """
    manifest = _read_manifest(path, format_name)
    files: dict[str, Arrays] = {}
    for name, entry in manifest.files.items():
        file = path / f"{name}.safetensors"
        data = _read(file)
        if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
            raise SnapshotInvalid(f"{file}: its bytes are not those that the manifest lists; use another version")
        try:
            files[name] = {key: np.array(value) for key, value in load(data).items()}
        except SafetensorError as error:
            raise SnapshotInvalid(f"{file}: {error}") from error
    return bytes(manifest.content), files


def write_file(path: Path, data: bytes) -> None:
    """Write one small file atomically and durably."""
    partial = path.with_name(f".{path.name}.partial")
    _write_synced(partial, data)
    partial.rename(path)
    _sync_directory(path.parent)


def versions_in(parent: Path) -> list[int]:
    """The versions that stand in `parent` (folders with a number for a name), ascending."""
    if not parent.is_dir():
        return []
    return sorted(int(entry.name) for entry in parent.iterdir() if entry.name.isdecimal() and entry.is_dir())


def remove_old(parent: Path, keep: int) -> None:
    """Delete all but the `keep` newest versions of `parent`."""
    for version in versions_in(parent)[:-keep]:
        shutil.rmtree(parent / str(version))


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, types, shapes and bytes: equal if and only if the arrays are, bit for bit."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape};".encode())
        total.update(array.data.cast("B") if array.size else b"")
    return total.hexdigest()


def _read_manifest(path: Path, format_name: str) -> _Manifest:
    file = path / MANIFEST
    try:
        manifest = msgspec.json.decode(_read(file), type=_Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SnapshotInvalid(f"{file}: {error}") from error
    if manifest.format != format_name:
        raise SnapshotInvalid(f"{file}: format {manifest.format!r}, but this code reads {format_name!r}")
    if manifest.checksum != _sum(manifest):
        raise SnapshotInvalid(f"{file}: it does not fit its own checksum; use another version")
    return manifest


def _sum(manifest: _Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(manifest, checksum=""))).hexdigest()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SnapshotInvalid(f"{file}: {error.strerror}") from error


def _write_synced(file: Path, data: bytes) -> None:
    with file.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

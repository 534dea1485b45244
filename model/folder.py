"""Folders of arrays that exist whole or not at all: the form of snapshots and checkpoints.

    <folder>/manifest.json        {"checksum", "format", "files": {name: {"bytes", "sha256"}}, "content": {...}}
    <folder>/<name>.safetensors   one set of named arrays each

Data, never code: no pickle anywhere. A reader never sees half of a folder (`transport/ports/files.py`). `checksum` is
the SHA-256 of the manifest with an empty checksum, so that damage to any byte of the folder is found by
`read_folder`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from contracts.errors import SnapshotInvalid
from transport.ports.files import Files

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


def write_folder(
    files: Files, path: Path, format_name: str, content: msgspec.Struct, arrays: Mapping[str, Arrays]
) -> None:
    """Write `path` in the place of what was there. OSErrors pass through."""
    files.write_folder(path, _encoded(format_name, content, arrays))


def read_content(files: Files, path: Path, format_name: str) -> bytes:
    """The JSON of the manifest's content, checked. Raises `SnapshotInvalid`; the arrays are not looked at."""
    return bytes(_read_manifest(files, path, format_name).content)


def read_folder(files: Files, path: Path, format_name: str) -> tuple[bytes, dict[str, Arrays]]:
    """(the JSON of the manifest's content, the arrays of every file), all checked against the checksums.

    Raises `SnapshotInvalid` with the file and what is wrong with it.
    """
    manifest = _read_manifest(files, path, format_name)
    arrays: dict[str, Arrays] = {}
    for name, entry in manifest.files.items():
        file = path / _file_name(name)
        data = _read(files, file)
        if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
            raise SnapshotInvalid(f"{file}: its bytes are not those that the manifest lists; use another version")
        try:
            arrays[name] = {key: np.array(value) for key, value in load(data).items()}
        except SafetensorError as error:
            raise SnapshotInvalid(f"{file}: {error}") from error
    return bytes(manifest.content), arrays


def versions_in(files: Files, parent: Path) -> list[int]:
    """The versions that stand in `parent` (folders with a number for a name), ascending."""
    return sorted(int(name) for name in files.folders(parent) if name.isdecimal())


def remove_old(files: Files, parent: Path, keep: int) -> None:
    """Delete all but the `keep` newest versions of `parent`."""
    for version in versions_in(files, parent)[:-keep]:
        files.remove_folder(parent / str(version))


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over names, types, shapes and bytes: equal if and only if the arrays are, bit for bit."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape};".encode())
        total.update(array.data.cast("B") if array.size else b"")
    return total.hexdigest()


def _file_name(name: str) -> str:
    return f"{name}.safetensors"


def _encoded(format_name: str, content: msgspec.Struct, arrays: Mapping[str, Arrays]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file; the manifest, which has their checksums, comes last."""
    entries = {}
    for name, named in arrays.items():
        data = save({key: np.ascontiguousarray(value) for key, value in named.items()})
        entries[name] = _File(len(data), hashlib.sha256(data).hexdigest())
        yield _file_name(name), data
    manifest = _Manifest("", format_name, entries, msgspec.Raw(msgspec.json.encode(content)))
    yield MANIFEST, msgspec.json.encode(msgspec.structs.replace(manifest, checksum=_sum(manifest)))


def _read_manifest(files: Files, path: Path, format_name: str) -> _Manifest:
    file = path / MANIFEST
    try:
        manifest = msgspec.json.decode(_read(files, file), type=_Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SnapshotInvalid(f"{file}: {error}") from error
    if manifest.format != format_name:
        raise SnapshotInvalid(f"{file}: format {manifest.format!r}, but this code reads {format_name!r}")
    if manifest.checksum != _sum(manifest):
        raise SnapshotInvalid(f"{file}: it does not fit its own checksum; use another version")
    return manifest


def _sum(manifest: _Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(manifest, checksum=""))).hexdigest()


def _read(files: Files, file: Path) -> bytes:
    try:
        return files.read(file)
    except OSError as error:
        raise SnapshotInvalid(f"{file}: {error.strerror}") from error
    except ValueError as error:  # a path that no file can have
        raise SnapshotInvalid(f"{str(file)!r}: {error}") from error

"""`transport.ports.files.Files` on the machine's disk.

Files and folders are first written as `.<name>.partial` in the same parent folder, fsynced, and renamed to their
final name. Then the parent folder is fsynced, because it holds the name.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PARTIAL = ".partial"


class Disk:
    """The disk of this machine."""

    def read(self, path: Path) -> bytes:
        """One read."""
        return path.read_bytes()

    def write(self, path: Path, data: bytes) -> None:
        """Writes a file beside `path`, then renames it over `path`."""
        _make_folder(path.parent)
        partial = _beside(path)
        _write_synced(partial, data)
        partial.rename(path)
        _sync(path.parent)

    def write_folder(self, path: Path, files: Iterable[tuple[str, bytes]]) -> None:
        """Writes a folder beside `path`, then renames it. First removes what an interrupted write left there."""
        _make_folder(path.parent)
        partial = _beside(path)
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir()
        for name, data in files:
            _write_synced(partial / name, data)
        _sync(partial)
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
        _sync(path.parent)

    def folders(self, parent: Path) -> list[str]:
        """One listing."""
        if not parent.is_dir():
            return []
        return [entry.name for entry in parent.iterdir() if entry.is_dir() and not _is_partial(entry)]

    def remove_folder(self, path: Path) -> None:
        """File by file."""
        shutil.rmtree(path)

    @contextmanager
    def lock(self, path: Path) -> Iterator[None]:
        """An flock: the kernel releases it when the process ends."""
        _make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(handle)


DISK = Disk()


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}{_PARTIAL}")


def _is_partial(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(_PARTIAL)


def _make_folder(path: Path) -> None:
    """Makes `path` and its missing parents, and syncs each name into the folder that holds it."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _sync(path.parent)


def _write_synced(file: Path, data: bytes) -> None:
    with file.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Durable files, for snapshots and checkpoints. `transport/system/disk.py` implements the port on the machine's disk.

A write is complete or has no effect, and survives a power cut once the call has returned. If the process crashes
before that, either the old content or the new one remains; if a folder replaces another, possibly neither. A path is
just a name: only the machine's disk takes it as a path of its file system. Whatever the disk cannot do raises
`OSError`.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """Whole files in folders. Writes create the missing parent folders."""

    def read(self, path: Path) -> bytes:
        """The whole content of a file. Raises `FileNotFoundError` if there is none."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write a file, replacing the one that was there."""
        ...

    def write_folder(self, path: Path, files: Iterable[tuple[str, bytes]]) -> None:
        """Write a folder of (name, content), replacing the one that was there.

        Each file is written as soon as `files` yields it, so they need not all be in memory.
        """
        ...

    def folders(self, parent: Path) -> list[str]:
        """The names of the folders in `parent`, in no order, without folders that a crash left half-written.

        Empty if `parent` does not exist.
        """
        ...

    def remove_folder(self, path: Path) -> None:
        """Delete a folder. A crash may leave part of it behind."""
        ...

    def lock(self, path: Path) -> AbstractContextManager[None]:
        """Hold the lock file `path` during the block. It is released when the process ends, even if killed.

        Raises `BlockingIOError` if another holder has it, in this process or any other.
        """
        ...

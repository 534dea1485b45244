"""Files that last: what snapshots and checkpoints need of a disk. `transport/system/disk.py` is the machine's own.

What a write put down is there whole or not at all, and outlives a power cut from the moment that the call returns.
Before that, a crash may leave what was there, or what was written; where a folder replaces another, also neither. A
path is a place by name: only the machine's disk takes it for one of its own. Whatever the disk cannot do raises
`OSError`.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """Whole files in folders. Folders above a place that is written are made where they are missing."""

    def read(self, path: Path) -> bytes:
        """The whole of a file. Raises `FileNotFoundError` where there is none."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Put a file in the place of what was there."""
        ...

    def write_folder(self, path: Path, files: Iterable[tuple[str, bytes]]) -> None:
        """Put a folder of (name, content) in the place of what was there.

        Each file is written as it is drawn, so not all of them need be in memory.
        """
        ...

    def folders(self, parent: Path) -> list[str]:
        """The names of the folders in `parent`, in no order; what a crash left half-written is not among them.

        Empty where there is no `parent`.
        """
        ...

    def remove_folder(self, path: Path) -> None:
        """Delete a folder. A crash may leave a part of it."""
        ...

    def lock(self, path: Path) -> AbstractContextManager[None]:
        """Hold the lock file `path` in the block; it is let go when the process ends, however that is.

        Raises `BlockingIOError` where another holds it, in this process or any other.
        """
        ...

"""What a write put down is there whole or not at all, whatever a crash left beside it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from transport.ports.files import Files
from transport.system.disk import DISK


class Killed(Exception):
    """The process is gone."""


@pytest.fixture
def files() -> Files:
    return DISK


def test_a_file_and_a_folder_come_back_and_take_the_place_of_what_was_there(files: Files, tmp_path: Path) -> None:
    for content in (b"long before", b"now", b""):
        files.write(tmp_path / "a" / "b" / "epoch", content)
        assert files.read(tmp_path / "a" / "b" / "epoch") == content
    for names in (("one", "two"), ("two", "three")):
        files.write_folder(tmp_path / "c" / "7", ((name, name.encode()) for name in names))
        assert sorted(entry.name for entry in (tmp_path / "c" / "7").iterdir()) == sorted(names)
        assert [files.read(tmp_path / "c" / "7" / name) for name in names] == [name.encode() for name in names]
    assert [entry.name for entry in (tmp_path / "c").iterdir()] == ["7"]
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "c" / "7" / "one")


def test_a_folder_that_a_crash_left_half_written_is_not_listed_and_makes_room(files: Files, tmp_path: Path) -> None:
    def cut_short() -> Iterator[tuple[str, bytes]]:
        yield "one", b"whole"
        raise Killed

    files.write_folder(tmp_path / "1", [("one", b"before")])
    for name in ("1", "2"):
        with pytest.raises(Killed):
            files.write_folder(tmp_path / name, cut_short())
    assert files.folders(tmp_path) == ["1"]
    assert files.read(tmp_path / "1" / "one") == b"before"
    files.write_folder(tmp_path / "2", [("two", b"after")])
    assert sorted(files.folders(tmp_path)) == ["1", "2"]
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "2" / "one")


def test_folders_are_listed_and_removed(files: Files, tmp_path: Path) -> None:
    assert files.folders(tmp_path / "nowhere") == []
    files.write(tmp_path / "3", b"no folder")
    for name in ("1", "2"):
        files.write_folder(tmp_path / name, [("one", b"")])
    files.remove_folder(tmp_path / "1")
    assert files.folders(tmp_path) == ["2"]


def test_a_lock_is_held_once_and_let_go(files: Files, tmp_path: Path) -> None:
    lock = tmp_path / "a" / "lock"
    with files.lock(lock), pytest.raises(BlockingIOError), files.lock(lock):
        pytest.fail("the second one got in")
    with pytest.raises(Killed), files.lock(lock):
        raise Killed
    with files.lock(lock):
        pass


def test_every_file_and_every_folder_that_holds_a_new_name_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is synced outlives a power cut: contents before the rename that shows them, names after."""
    synced: list[str] = []

    def record(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink().relative_to(tmp_path).as_posix()
        synced.append(path + "/" if stat.S_ISDIR(os.fstat(handle).st_mode) else path)

    monkeypatch.setattr(os, "fsync", record)
    DISK.write_folder(tmp_path / "models" / "1", [("one", b"1"), ("two", b"2")])
    partial = "models/.1.partial/"
    assert synced == ["./", f"{partial}one", f"{partial}two", partial, "models/"]
    synced.clear()
    DISK.write(tmp_path / "models" / "epoch", b"1")
    assert synced == ["models/.epoch.partial", "models/"]

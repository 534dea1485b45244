"""Waiting for processes and files, for tests that start and kill them."""

import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 60.0


def wait_for(happened: Callable[[], bool]) -> None:
    """Returns once it has happened; fails the test where that takes longer than `DEADLINE_S`."""
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Ended, or a zombie that whatever adopted it has yet to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True

"""Waits for processes and files, for tests that start and kill processes."""

import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_S = 60.0


def wait_for(happened: Callable[[], bool]) -> None:
    """Wait until `happened()`; fails after `DEADLINE_S`."""
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether the process has ended; also if it is a zombie that has not been reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True

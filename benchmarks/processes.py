"""CPU time and memory of running processes, read from /proc."""

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """cpu_s: user and system time so far, of all threads. resident_mb: resident memory now."""

    cpu_s: float
    resident_mb: float


def usage(pid: int) -> Usage:
    """The usage of one process. Raises `FileNotFoundError` if it has ended."""
    process = Path("/proc") / str(pid)
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    pages = int((process / "statm").read_text().split()[1])
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS_PER_S, pages * _PAGE_BYTES / 1e6)


def own_resident_bytes() -> int:
    """Resident memory of this process, after the allocator has returned what was freed."""
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES

"""The demo's child processes: a stream worker or two, the trainer, the scorer. None outlives the demo.

Each leads a process group of its own (Ctrl-C reaches the demo first, which then stops them in order), dies with its
parent however that dies, and writes to a log file of its own. One that ends before it is asked to has failed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from contracts.errors import DriftlineError
from contracts.settings import Settings, to_environ
from driftline.servers.processes import ServerProcess, tail

STOP_TIMEOUT_S = 40.0  # a trainer publishes what it has learned, a worker commits its batches


class ChildFailed(DriftlineError):
    """A child that ended by itself, or not in good order; the message has the end of its log."""


class Child(ServerProcess):
    """One of our own processes: `python -m driftline COMMAND`."""

    def ended(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """SIGTERM; it drains."""
        if self.ended() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> int:
        """Its exit status; after `timeout_s` the whole group is killed, and that is its status (-9)."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
            return self._process.wait()

    def failure(self, what: str) -> ChildFailed:
        """An error that says `what` happened and shows the end of the log."""
        return ChildFailed(f"{self.name} {what}. The end of its log, {self.log}:\n{tail(self.log)}")


class Children:
    """All of them. `names` are unique; `settings` reach them through the environment."""

    def __init__(self, settings: Settings, folder: Path, commands: Mapping[str, Sequence[str]]) -> None:
        self._children: list[Child] = []
        self._asked = False
        environ = to_environ(settings)
        try:
            for name, command in commands.items():
                arguments = [sys.executable, "-m", "driftline", *command]
                log = folder / f"{name}.log"
                self._children.append(Child(name, arguments, log, bound=True, environ=environ))
        except BaseException:
            self.stop(0)
            raise

    @property
    def logs(self) -> dict[str, Path]:
        """Name -> log file."""
        return {child.name: child.log for child in self._children}

    @property
    def pids(self) -> dict[str, int]:
        """Name -> process id."""
        return {child.name: child.pid for child in self._children}

    def check(self) -> None:
        """Raises `ChildFailed` if one has ended although nobody asked it to."""
        for child in self._children:
            status = child.ended()
            if status is not None and not self._asked:
                raise child.failure(f"ended with status {status}")

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> list[ChildFailed]:
        """Ask all to drain and end, wait for them, kill those that do not. Returns those that ended badly."""
        self._asked = True
        for child in self._children:
            child.ask_to_stop()
        deadline = time.monotonic() + timeout_s
        statuses = [(child, child.wait(max(0.0, deadline - time.monotonic()))) for child in self._children]
        self._children = []
        return list(_failures(statuses, timeout_s))


def commands(workers: int) -> dict[str, list[str]]:
    """Name of the child -> its command."""
    numbered = {f"worker-{i}": ["worker"] for i in range(1, workers + 1)}
    return {**numbered, "trainer": ["trainer"], "scorer": ["scorer"]}


def _failures(statuses: Iterable[tuple[Child, int]], timeout_s: float) -> Iterable[ChildFailed]:
    for child, status in statuses:
        if status == -signal.SIGKILL:
            yield child.failure(f"did not end within {timeout_s:.0f} s of SIGTERM and was killed")
        elif status != 0:
            yield child.failure(f"ended with status {status} when asked to stop")

"""The demo's child processes: one or two stream workers, the trainer and the scorer. None outlives the demo.

Each has its own process group, so that Ctrl-C reaches only the demo, which then stops them in order. Each has its own
log file, and dies with the demo, however that ends. A child that ends before it is asked to has failed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from contracts.errors import DriftlineError
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from driftline.servers.processes import ServerProcess, tail

STOP_TIMEOUT_S = 40.0  # time for the trainer to publish, and for workers to commit their batches


class ChildFailed(DriftlineError):
    """A child ended by itself or with an error; the message has the end of its log."""


class Child(ServerProcess):
    """A process `python -m driftline COMMAND`."""

    def ended(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send SIGTERM, upon which it drains and ends."""
        if self.ended() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float) -> int:
        """Wait for its exit status. After `timeout_s` kill its whole process group; the status is then -9."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)  # not reaped yet, so the process id is still its own
            return self._process.wait()

    def failure(self, what: str) -> ChildFailed:
        """An error that says `what` happened and has the end of the log."""
        return ChildFailed(f"{self.name} {what}. The end of its log, {self.log}:\n{tail(self.log)}")


class Children:
    """All child processes. commands: child's name -> arguments. `settings` are passed in their environment."""

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
        """Raise `ChildFailed` if a child has ended without being asked to."""
        for child in self._children:
            status = child.ended()
            if status is not None and not self._asked:
                raise child.failure(f"ended with status {status}")

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> list[ChildFailed]:
        """Ask all to drain and end; kill those that have not ended after `timeout_s`. Returns the failures."""
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

"""Runs servers as child processes: starts them, waits until they answer, stops them.

A *bound* child dies with its parent, however that ends: the kernel sends it SIGKILL (Linux's PR_SET_PDEATHSIG). That
also happens when only the thread that started it ends, so start servers from the main thread. Every child has its own
session: Ctrl-C in the terminal reaches only the parent, which then stops its servers in order.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from contracts.errors import ServerUnavailable

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.05
_LIBC = ctypes.CDLL(None)  # loaded early: loading between fork and exec is not safe


def dies_with_parent() -> Callable[[], None]:
    """What a child of this process calls before it becomes another program, in order to die with this process."""
    parent = os.getpid()

    def die_with_parent() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the call above
            os._exit(1)

    return die_with_parent


class ServerProcess:
    """A server started by this process. Its output goes to the file `log`.

    bound: whether it dies with this process. environ: variables added to this process's environment.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, *, bound: bool, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=dies_with_parent() if bound else None,
                env={**os.environ, **(environ or {})},
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait_until(self, answers: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `answers()` is True.

        Raises `ServerUnavailable` with the end of the log if the server dies or does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        while not answers():
            if self._process.poll() is not None:
                raise ServerUnavailable(
                    f"{self.name} ended with status {self._process.returncode}. {self._log_end()}"
                )
            if time.monotonic() > deadline:
                raise ServerUnavailable(f"{self.name} did not answer within {timeout_s:.0f} s. {self._log_end()}")
            time.sleep(_POLL_S)

    def stop(self, grace_s: float) -> None:
        """Send SIGTERM, and SIGKILL after `grace_s` seconds (at once if 0). Returns when the process has ended."""
        if grace_s > 0:
            self._process.terminate()
            try:
                self._process.wait(grace_s)
                return
            except subprocess.TimeoutExpired:
                pass
        self._process.kill()
        self._process.wait()

    def _log_end(self) -> str:
        return f"The end of its log, {self.log}:\n{tail(self.log)}"


def tail(log: Path, *, start: int = 0, characters: int = 4000) -> str:
    """The last characters of a log file, from byte `start` on."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")[-characters:]


def free_port(preferred: int = 0) -> int:
    """The port `preferred` if it is free, else another free port. Raises `ServerUnavailable`."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ServerUnavailable("this machine has no free port")


def listening(address: str, *, timeout_s: float = 1.0) -> bool:
    """Whether something accepts connections at `address`, a host:port."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=timeout_s):
            return True
    except OSError:
        return False

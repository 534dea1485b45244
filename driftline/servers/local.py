"""Starts local servers and waits until they answer. `local_servers` starts those that are not configured.

Its servers die with this process (tests, demo, benchmarks); those of `background.py` keep running (`driftline up`).
"""

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from contracts.settings import Settings
from driftline.servers import discovery, kafka, redis
from driftline.servers.processes import ServerProcess, free_port

VARIABLES = {"kafka": "DRIFTLINE_KAFKA", "redis": "DRIFTLINE_REDIS"}
_DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: its address, as in the settings, and its process."""

    address: str
    process: ServerProcess


def start_kafka(
    folder: Path, say: Callable[[str], None], *, bound: bool, install: bool, preferred_port: int = 0
) -> Server:
    """Start a broker with its data in `folder`/kafka and wait until it answers."""
    programs = discovery.provide_kafka(say, install=install)
    port = free_port(preferred_port)
    process = kafka.start(programs.java, programs.libs, folder / "kafka", port, free_port(), bound=bound)
    return _answering(Server(f"127.0.0.1:{port}", process), lambda: kafka.answers(port), kafka.START_TIMEOUT_S)


def start_redis(
    folder: Path, say: Callable[[str], None], *, bound: bool, install: bool, preferred_port: int = 0
) -> Server:
    """Start a redis-server with its data in `folder`/redis and wait until it answers."""
    executable = discovery.provide_redis(say, install=install)
    port = free_port(preferred_port)
    process = redis.start(executable, folder / "redis", port, bound=bound)
    return _answering(
        Server(f"redis://127.0.0.1:{port}/0", process), lambda: redis.answers(port), redis.START_TIMEOUT_S
    )


STARTERS: dict[str, Callable[..., Server]] = {"redis": start_redis, "kafka": start_kafka}


def configured(name: str, settings: Settings, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment or a settings file gives the address of "kafka" or "redis"; then none is started."""
    environ = os.environ if environ is None else environ
    return VARIABLES[name] in environ or getattr(settings, name) != getattr(_DEFAULTS, name)


@dataclass(frozen=True, slots=True)
class LocalServers:
    """settings: with the servers' addresses. started: those of "kafka" and "redis" that this process started."""

    settings: Settings
    started: Mapping[str, Server]


@contextlib.contextmanager
def local_servers(
    settings: Settings, folder: Path, say: Callable[[str], None], *, install: bool = True
) -> Iterator[LocalServers]:
    """Servers on free ports while the block runs, with their data in `folder`; none outlives this process.

    Configured servers are used as they are. Raises `ServerUnavailable` if one can neither be found nor installed.
    """
    with contextlib.ExitStack() as stack:
        started = {
            name: stack.enter_context(running(start(folder, say, bound=True, install=install)))
            for name, start in STARTERS.items()
            if not configured(name, settings)
        }
        addresses = {name: server.address for name, server in started.items()}
        yield LocalServers(msgspec.structs.replace(settings, **addresses), started)


@contextlib.contextmanager
def running(server: Server, *, grace_s: float = 0) -> Iterator[Server]:
    """Stop `server` at the end of the block, or of the process. grace_s: 0 kills it, for data that is thrown away."""
    atexit.register(server.process.stop, grace_s)
    try:
        yield server
    finally:
        atexit.unregister(server.process.stop)
        server.process.stop(grace_s)


def _answering(server: Server, answers: Callable[[], bool], timeout_s: float) -> Server:
    try:
        server.process.wait_until(answers, timeout_s)
    except BaseException:
        server.process.stop(grace_s=0)
        raise
    return server

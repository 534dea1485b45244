"""Local servers as one thing: bound to this process (tests, demo, benchmarks) or in the background (`driftline up`)."""

import atexit
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.settings import Settings
from driftline.servers import discovery, kafka, redis
from driftline.servers.processes import ServerProcess, free_port

DEFAULT = Settings()


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: its address as the settings give it, and the process behind it."""

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


def _answering(server: Server, answers: Callable[[], bool], timeout_s: float) -> Server:
    try:
        server.process.wait_until(answers, timeout_s)
    except BaseException:
        server.process.stop(grace_s=0)
        raise
    return server


@contextlib.contextmanager
def running(server: Server, *, grace_s: float = 0) -> Iterator[Server]:
    """`server` until the end of the block, or of the process; data that is thrown away needs no grace."""
    atexit.register(server.process.stop, grace_s)
    try:
        yield server
    finally:
        atexit.unregister(server.process.stop)
        server.process.stop(grace_s)

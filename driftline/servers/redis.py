"""Runs a local redis-server."""

import socket
from pathlib import Path

from driftline.servers.processes import ServerProcess
from driftline.servers.settings_table import redis_arguments

START_TIMEOUT_S = 30.0


def start(executable: Path, folder: Path, port: int, *, bound: bool) -> ServerProcess:
    """Start a server with its data and log in `folder`. Returns before the server answers."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(executable), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), *redis_arguments()]
    return ServerProcess("redis-server", command, folder / "redis.log", bound=bound)


def answers(port: int) -> bool:
    """Whether it takes commands. It listens before that, while it loads its file."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False

"""`driftline up` and `down`: servers that keep running, and the file by which other commands find them.

`<data_dir>/servers.json` holds each server's address, process id and start time. The start time shows whether the
system has since given the process id to another process.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from driftline.servers.local import STARTERS, configured

STOP_TIMEOUT_S = 30.0
_PREFERRED_PORTS = {"kafka": 9092, "redis": 6379}


class BackgroundServer(msgspec.Struct, frozen=True):
    """One server left running."""

    address: str
    pid: int
    started: str  # start time of the process in clock ticks after boot, from /proc


def state_path(settings: Settings) -> Path:
    """The file that lists the servers that `up` started."""
    return Path(settings.data_dir).resolve() / "servers.json"


def read_state(settings: Settings) -> dict[str, BackgroundServer]:
    """Name ("kafka", "redis") -> server, of those that `up` started and that still run.

    Raises `ServerUnavailable` if the file is damaged.
    """
    path = state_path(settings)
    try:
        servers = msgspec.json.decode(path.read_bytes(), type=dict[str, BackgroundServer])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except msgspec.MsgspecError as error:
        raise ServerUnavailable(f"{path} is damaged ({error}); delete it, and stop its servers by hand") from error
    return {name: server for name, server in servers.items() if _runs(server)}


def resolve(settings: Settings, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings, with the addresses of the servers that `up` started where none is configured."""
    found = {
        name: server.address
        for name, server in read_state(settings).items()
        if not configured(name, settings, environ)
    }
    return msgspec.structs.replace(settings, **found)


def up(settings: Settings, say: Callable[[str], None]) -> dict[str, BackgroundServer]:
    """Start the servers that are neither configured nor running. Returns all servers that `up` has started.

    All or nothing: if one cannot start, it stops those started before it and raises the error.
    """
    servers = read_state(settings)
    folder = state_path(settings).parent
    fresh: list[str] = []
    try:
        for name, start in STARTERS.items():
            if name not in servers and not configured(name, settings):
                server = start(folder, say, bound=False, install=True, preferred_port=_PREFERRED_PORTS[name])
                pid = server.process.pid
                servers[name] = BackgroundServer(server.address, pid, _start_time(pid))
                fresh.append(name)
                _write_state(settings, servers)
    except BaseException:
        _stop([servers.pop(name) for name in fresh])
        _write_state(settings, servers)
        raise
    return servers


def down(settings: Settings) -> dict[str, BackgroundServer]:
    """Stop the servers that `up` started, and return them. Raises `ServerUnavailable` if one does not end."""
    servers = read_state(settings)
    _stop(list(servers.values()))
    _write_state(settings, {})
    return servers


def _stop(servers: list[BackgroundServer]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for server in servers:
            if _runs(server):
                os.kill(server.pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(_runs(server) for server in servers):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
    left = [server.pid for server in servers if _runs(server)]
    if left:
        raise ServerUnavailable(f"processes {left} did not end, even after SIGKILL")


def _runs(server: BackgroundServer) -> bool:
    return _start_time(server.pid) == server.started


def _start_time(pid: int) -> str:
    """The start time of a process, "" if it has ended (also if it is a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]


def _write_state(settings: Settings, servers: Mapping[str, BackgroundServer]) -> None:
    path = state_path(settings)
    if not servers:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(msgspec.json.encode(servers))
    partial.replace(path)

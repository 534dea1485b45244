"""`driftline up` and `down`: servers that stay, and the file by which every other command finds them.

`<data_dir>/servers.json` names each server's address, process id and that process's start time, so that a number that
the system has since given to another process is never taken for the server.
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
    started: str  # clock ticks after boot, of /proc


def state_path(settings: Settings) -> Path:
    """The file that names what `up` started."""
    return Path(settings.data_dir).resolve() / "servers.json"


def read_state(settings: Settings) -> dict[str, BackgroundServer]:
    """The servers ("kafka", "redis") that `up` left running and that still run. Raises on a damaged file."""
    path = state_path(settings)
    try:
        servers = msgspec.json.decode(path.read_bytes(), type=dict[str, BackgroundServer])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except msgspec.MsgspecError as error:
        raise ServerUnavailable(f"{path} is damaged ({error}); delete it, and stop its servers by hand") from error
    return {name: server for name, server in servers.items() if _runs(server)}


def resolve(settings: Settings, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings with the addresses of what `up` started, where none is configured."""
    found = {
        name: server.address
        for name, server in read_state(settings).items()
        if not configured(name, settings, environ)
    }
    return msgspec.structs.replace(settings, **found)


def up(settings: Settings, say: Callable[[str], None]) -> dict[str, BackgroundServer]:
    """Start what is neither configured nor running, and return all that runs because of `up`.

    All or nothing: if one cannot start, those started before it are stopped again and the error is raised.
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
    """Stop what `up` started, and return it. Raises `ServerUnavailable` if one will not end."""
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
        raise ServerUnavailable(f"processes {left} did not end, not even by SIGKILL")


def _runs(server: BackgroundServer) -> bool:
    return _start_time(server.pid) == server.started


def _start_time(pid: int) -> str:
    """When a process started, "" if it is gone or only waits to be reaped."""
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

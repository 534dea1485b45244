"""`driftline up` and `down`: servers that keep running, and the file by which other commands find them.

`<data_dir>/servers.json` holds each server's address, process id and start time. The start time shows whether the
system has since given the process id to another process. Servers that have ended stay in it: `up` starts them again
at the same ports, and until then no command of this folder takes another server for them.
"""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from driftline.servers.local import STARTERS, VARIABLES, configured
from driftline.servers.processes import free_port

STOP_TIMEOUT_S = 30.0
PREFERRED_PORTS = {"kafka": 9092, "redis": 6379}


class BackgroundServer(msgspec.Struct, frozen=True):
    """One server of this folder. started: start time of its process in clock ticks after boot, from /proc."""

    address: str
    pid: int
    started: str

    @property
    def runs(self) -> bool:
        """Whether it still runs."""
        return _start_time(self.pid) == self.started != ""

    @property
    def port(self) -> int:
        """The port in its address."""
        return urlsplit(self.address if "://" in self.address else f"//{self.address}").port or 0


def state_path(settings: Settings) -> Path:
    """The file that lists the servers that `up` started."""
    return Path(settings.data_dir).resolve() / "servers.json"


def read_state(settings: Settings) -> dict[str, BackgroundServer]:
    """Name ("kafka", "redis") -> server, of those that `up` has started here, whether or not they still run.

    Raises `ServerUnavailable` if the file is damaged.
    """
    path = state_path(settings)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, BackgroundServer])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except msgspec.MsgspecError as error:
        raise ServerUnavailable(f"{path} is damaged ({error}); delete it, and stop its servers by hand") from error


def addressed(settings: Settings, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings, with the addresses of this folder's servers where none is configured."""
    servers = read_state(settings)
    found = {name: server.address for name, server in servers.items() if not configured(name, settings, environ)}
    return msgspec.structs.replace(settings, **found)


def resolve(settings: Settings, environ: Mapping[str, str] | None = None) -> Settings:
    """`addressed`, once it is sure that these servers run: at their ports there may be strangers by now.

    Raises `ServerUnavailable` if one that is needed does not run.
    """
    ended = [
        gone(name, server, settings)
        for name, server in read_state(settings).items()
        if not server.runs and not configured(name, settings, environ)
    ]
    if ended:
        raise ServerUnavailable("\n".join(ended))
    return addressed(settings, environ)


def gone(name: str, server: BackgroundServer, settings: Settings) -> str:
    """What to say of a server of this folder that does not run."""
    return (
        f"{name.title()} of this folder ({server.address}, data in {state_path(settings).parent}) does not run: "
        f"`driftline up` starts it again; to use another, set {VARIABLES[name]}"
    )


def assumed(settings: Settings, environ: Mapping[str, str] | None = None) -> list[str]:
    """The servers whose default addresses are used, because nothing says otherwise: "kafka", "redis"."""
    servers = read_state(settings)
    return [name for name in VARIABLES if name not in servers and not configured(name, settings, environ)]


def up(settings: Settings, say: Callable[[str], None], ports: Mapping[str, int]) -> dict[str, BackgroundServer]:
    """Start the servers that are neither configured nor running. Returns all servers of this folder.

    ports: by name, where others are wanted than before. All or nothing: if one cannot start, it stops those started
    before it and raises the error. Raises `ServerUnavailable` if a port is taken that a server had or is to have.
    """
    former = read_state(settings)
    servers = dict(former)
    folder = state_path(settings).parent
    fresh: list[str] = []
    _refuse_other_ports(servers, ports)
    try:
        for name, start in STARTERS.items():
            if (name not in servers or not servers[name].runs) and not configured(name, settings):
                port = _port(name, servers.get(name), ports.get(name, 0))
                server = start(folder, say, bound=False, install=True, preferred_port=port)
                pid = server.process.pid
                servers[name] = BackgroundServer(server.address, pid, _start_time(pid))
                fresh.append(name)
                _write_state(settings, servers)
    except BaseException:
        _stop([servers[name] for name in fresh])
        _write_state(settings, former)
        raise
    return servers


def _refuse_other_ports(servers: Mapping[str, BackgroundServer], ports: Mapping[str, int]) -> None:
    """Raises `ServerUnavailable` if a server runs at another port than the one that is wanted."""
    for name, port in ports.items():
        if name in servers and servers[name].runs and servers[name].port != port:
            raise ServerUnavailable(
                f"{name.title()} of this folder runs at {servers[name].address}: `driftline down` first, then `up` "
                f"with --{name}-port {port}"
            )


def _port(name: str, former: BackgroundServer | None, wanted: int) -> int:
    """The port to start at. Clients know the former one, so another is taken only if a person says so."""
    port = wanted or (former.port if former else 0)
    if port and free_port(port) != port:
        raise ServerUnavailable(
            f"port {port}, where {name.title()} of this folder is to listen, is taken: end what listens there, or "
            f"choose another port with `driftline up --{name}-port`"
        )
    return port or PREFERRED_PORTS[name]


def down(settings: Settings) -> dict[str, BackgroundServer]:
    """Stop the servers that `up` started, and return them. Raises `ServerUnavailable` if one does not end."""
    servers = read_state(settings)
    running = {name: server for name, server in servers.items() if server.runs}
    _stop(list(running.values()))
    return running


def _stop(servers: list[BackgroundServer]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for server in servers:
            if server.runs:
                os.kill(server.pid, number)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while any(server.runs for server in servers):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
    left = [server.pid for server in servers if server.runs]
    if left:
        raise ServerUnavailable(f"processes {left} did not end, even after SIGKILL")


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

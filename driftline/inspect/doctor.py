"""Checks this machine for what Driftline needs, and says how to fix what is missing."""

import importlib.metadata
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from rich.markup import escape

from contracts.errors import ServerUnavailable, SettingsError
from contracts.records import TimeMode
from contracts.settings import Settings, masked
from driftline.servers import discovery, kafka
from driftline.servers.background import gone, read_state
from driftline.servers.local import VARIABLES, configured
from driftline.servers.processes import listening
from driftline.servers.settings_table import KAFKA_VERSION

_CONNECT_S = 3.0
_APT = "apt-get install --no-install-recommends"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check. needed: whether the settings require it. mend: how to fix it, "" if ok."""

    name: str
    ok: bool
    needed: bool
    found: str
    mend: str


def examine(settings: Settings) -> list[Check]:
    """Run all checks, in the order in which to fix them. `settings` must be resolved."""
    folder = Path(settings.data_dir).resolve()
    return [
        _python(),
        _packages(),
        *_server_programs(settings),
        *_servers(settings),
        _torch(),
        _gpu(),
        _data_folder(folder),
    ]


def show(checks: Sequence[Check]) -> None:
    """Print the checks as a table on standard output, and a summary line."""
    from rich.table import Table

    from driftline.console_tables import print_part

    table = Table(box=None, pad_edge=False)
    for heading in ("", "what", "found", "how to mend it"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        mark = "[green]ok[/]" if check.ok else "[red]missing[/]" if check.needed else "[yellow]optional[/]"
        table.add_row(mark, check.name, escape(check.found), escape(check.mend))
    print_part(table)
    missing = [check.name for check in checks if check.needed and not check.ok]
    print_part(f"\nmissing: {', '.join(missing)}" if missing else "\nnothing that is needed is missing")


def _check(name: str, ok: bool, found: str, mend: str, *, needed: bool = True) -> Check:
    return Check(name=name, ok=ok, needed=needed, found=found, mend="" if ok else mend)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return _check("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def _packages() -> Check:
    """Whether all our packages are imported from the folder that holds `driftline`.

    Their names are common (`model`, `transport`): another distribution, or a file beside the program, may use them.
    """
    home = _folder_of("driftline")
    names = importlib.metadata.distribution("driftline").read_text("top_level.txt") or ""
    strangers = [f"{name} in {_folder_of(name)}" for name in names.split() if _folder_of(name) != home]
    found = "; ".join(strangers) or f"all in {home}"
    mend = "give Driftline its own environment (`make setup`), and rename the file or folder that is named here"
    return _check("packages", not strangers, found, mend)


def _folder_of(package: str) -> Path | None:
    """The folder that holds `package`, None if it cannot be imported. Does not import it."""
    spec = importlib.util.find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parents[1]


def _server_programs(settings: Settings) -> Iterator[Check]:
    """The programs with which `driftline up` starts servers; needed unless the server's address is configured."""
    broker, view = not configured("kafka", settings), not configured("redis", settings)
    java, libs, maven = discovery.find_java(), discovery.find_libs(), discovery.find_maven()
    found = str(java) if java else f"none of version {discovery.OLDEST_JAVA} or newer"
    yield _check("JVM", java is not None, found, f"{_APT} openjdk-17-jre-headless", needed=broker)
    mend = f"{_APT} maven; or set KAFKA_HOME to an unpacked Kafka {KAFKA_VERSION}"
    yield _check("Maven", maven is not None, str(maven or "none"), mend, needed=broker and libs is None)
    mend = f"`driftline up` has Maven fetch them ({kafka.DOWNLOAD_MB} MB)"
    yield _check("Kafka jars", libs is not None, str(libs or "none yet"), mend, needed=False)
    redis = discovery.find_redis()
    yield _check("redis-server", redis is not None, str(redis or "none"), f"{_APT} redis-server", needed=view)


def _servers(settings: Settings) -> Iterator[Check]:
    """The servers at the settings' addresses; needed if configured or started by `driftline up`."""
    from transport.kafka import admin as kafka_admin
    from transport.redis import connection as redis_connection

    # Try the port first: if no server runs, both clients would retry for seconds.
    def probe_kafka() -> None:
        if not any(listening(address, timeout_s=_CONNECT_S) for address in settings.kafka.split(",")):
            raise ServerUnavailable(f"nothing accepts connections at {settings.kafka}")
        kafka_admin.check_reachable(settings)

    def probe_redis() -> None:
        try:
            parts, port = urlsplit(settings.redis), urlsplit(settings.redis).port or 6379
        except ValueError as error:
            raise ServerUnavailable(f"{masked(settings.redis)!r} is no address: {error}") from error
        if parts.hostname and not listening(f"{parts.hostname}:{port}", timeout_s=_CONNECT_S):
            raise ServerUnavailable(f"nothing accepts connections at {masked(settings.redis)}")
        redis_connection.check_reachable(settings)

    up = read_state(settings)
    failures = {}
    for name, probe in {"kafka": probe_kafka, "redis": probe_redis}.items():
        ours = up.get(name) if name in up and up[name].address == getattr(settings, name) else None
        needed = ours is not None or configured(name, settings)
        variable = VARIABLES[name]
        mend = f"start it, or mend {variable}" if needed else f"`driftline up` starts it; or set {variable}"
        if ours is not None:
            mend = "`driftline up` starts it again"
        failures[name] = failure = _failure(probe) if ours is None or ours.runs else gone(name, ours, settings)
        found = failure or masked(getattr(settings, name))
        yield _check(f"{name.title()} answers", not failure, found, mend, needed=needed)
    if not failures["kafka"]:
        yield from _installation(settings)


def _installation(settings: Settings) -> Iterator[Check]:
    """Whether the topics are as planned, and what is in them can be used with these settings."""
    from transport.installation import installed_blocking, plan

    try:
        differences = plan(settings)
    except SettingsError as error:
        yield _check("settings", False, str(error), "set them back, or set DRIFTLINE_PREFIX")
        return
    found = f"{len(differences)} differ from the table" if differences else "as planned"
    yield _check("topics", not differences, found, "`driftline topics apply`")
    if not differences:
        settings = installed_blocking(settings)
        yield _offsets(settings)
        yield _event_time(settings)


def _offsets(settings: Settings) -> Check:
    """Whether every hop can go on from where it stands."""
    from driftline.inspect.offsets import offsets

    rows = offsets(settings)
    broken = [f"{row.hop} {row.topic}[{row.partition}] {row.verdict}" for row in rows if not row.usable]
    found = ", ".join(broken) if broken else f"{len(rows)} partitions can be read on"
    return _check("offsets", not broken, found, "`driftline offsets show`, then `driftline offsets reset`")


def _event_time(settings: Settings) -> Check:
    """Whether events reach the broker in time, in a live installation."""
    from driftline.inspect import event_time
    from driftline.inspect.logs import LogReader

    with LogReader.connected(settings) as logs:
        declared, newest = event_time.declaration(logs), event_time.newest_events(logs)
    if declared is not None and declared.mode is TimeMode.REPLAY:
        return _check("event time", True, f"moved by the replay that {declared.writer} declared", "")
    lag_s = max((abs(event.lag_ms) for event in newest), default=0) / 1000
    found = f"newest events up to {lag_s:,.1f} s from their append time" if newest else "no events"
    mend = "mend the producer's delay or clock, or raise time.lateness_ms; `driftline time show` has the partitions"
    return _check("event time", lag_s * 1000 <= settings.time.lateness_ms, found, mend, needed=False)


def _failure(probe: Callable[[], None]) -> str:
    """Why `probe` fails, "" if it succeeds."""
    try:
        probe()
    except ServerUnavailable as error:
        return str(error)
    return ""


def _torch() -> Check:
    try:
        found = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return _check("torch", False, "not installed", "make setup")
    return _check("torch", True, found, "")


def _gpu() -> Check:
    mend = "not needed: the CPU does everything, training goes slower"
    if importlib.util.find_spec("torch") is None:
        return _check("GPU", False, "unknown without torch", mend, needed=False)
    import torch

    available = torch.cuda.is_available()
    return _check("GPU", available, torch.cuda.get_device_name() if available else "none", mend, needed=False)


def _data_folder(folder: Path) -> Check:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return _check("data folder", False, f"{folder}: {error.strerror}", "set DRIFTLINE_DATA_DIR to another")
    return _check("data folder", True, str(folder), "")

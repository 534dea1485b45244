"""Local servers: settings as the table says, bound to their parent, or in the background until `driftline down`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from driftline.servers import background, settings_table
from driftline.servers.local import configured, local_servers
from driftline.servers.processes import ServerProcess, free_port, listening
from tests.support.paths import ROOT

DEADLINE_S = 60.0


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Ended, or a zombie that whatever adopted it has yet to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_broker_runs_with_the_table_s_settings(kafka: str) -> None:
    if "DRIFTLINE_KAFKA" in os.environ:
        pytest.skip("this run's broker is configured elsewhere")
    client = KafkaAdminClient(bootstrap_servers=kafka)
    try:
        node = settings_table.KAFKA["node.id"]
        found = client.describe_configs([ConfigResource(ConfigResourceType.BROKER, node)], config_filter="all")
    finally:
        client.close()
    values = {name: entry["value"] for name, entry in found["broker"][node].items()}
    assert {name: values[name] for name in settings_table.KAFKA} == settings_table.KAFKA


def test_redis_runs_with_the_table_s_settings(redis_url: str) -> None:
    if "DRIFTLINE_REDIS" in os.environ:
        pytest.skip("this run's Redis is configured elsewhere")
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        found = {name: client.config_get(name)[name] for name in settings_table.REDIS}
    assert found == settings_table.REDIS | {"maxmemory": str(4 << 30)}


@pytest.mark.parametrize(
    ("settings", "environ", "expected"),
    [
        (Settings(), {}, False),
        (Settings(), {"DRIFTLINE_KAFKA": "localhost:9092"}, True),
        (Settings(kafka="elsewhere:1"), {}, True),
        (Settings(), {"DRIFTLINE_REDIS": "redis://elsewhere"}, False),
    ],
)
def test_an_address_is_configured_by_environment_or_file(
    settings: Settings, environ: dict[str, str], expected: bool
) -> None:
    assert configured("kafka", settings, environ) == expected


def test_configured_servers_are_used_and_none_is_started(tmp_path: Path) -> None:
    settings = Settings(kafka="elsewhere:1", redis="redis://elsewhere:2/0")
    with local_servers(settings, tmp_path, print) as servers:
        assert servers.settings == settings
        assert not servers.started
    assert list(tmp_path.iterdir()) == []


def test_a_bound_server_dies_with_a_killed_parent(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from driftline.servers.processes import ServerProcess\n"
        "server = ServerProcess('sleep', ['sleep', '600'], pathlib.Path(sys.argv[1]), bound=True)\n"
        "print(server.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert not gone(server)
        parent.kill()
    wait_for(lambda: gone(server))


def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    process = ServerProcess("some server", ["sh", "-c", "echo no such option; exit 3"], tmp_path / "log", bound=True)
    with pytest.raises(ServerUnavailable, match=r"(?s)some server ended with status 3.*no such option"):
        process.wait_until(lambda: False, DEADLINE_S)


def test_a_server_that_never_answers_is_an_error(tmp_path: Path) -> None:
    process = ServerProcess("some server", ["sleep", "600"], tmp_path / "log", bound=True)
    with pytest.raises(ServerUnavailable, match="did not answer within"):
        process.wait_until(lambda: False, timeout_s=0)
    process.stop(grace_s=0)
    assert gone(process.pid)


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = "trap '' TERM; echo ready; while :; do sleep 1; done"
    process = ServerProcess("stubborn", ["sh", "-c", program], log, bound=True)
    process.wait_until(lambda: "ready" in log.read_text(), DEADLINE_S)
    process.stop(grace_s=0.1)
    assert gone(process.pid)


def test_a_taken_port_is_not_offered() -> None:
    port = free_port()
    assert free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert free_port(port) != port


class Terminal:
    """A folder in which driftline commands are run, with no server configured."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")}

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "driftline", *words],
            cwd=self.folder, env=self.environ | environ, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def state(self) -> dict[str, background.BackgroundServer]:
        return background.read_state(Settings(data_dir=str(self.folder / ".driftline")))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.run("down")


def test_up_with_configured_servers_starts_nothing(terminal: Terminal) -> None:
    done = terminal.run("up", DRIFTLINE_KAFKA="elsewhere:1", DRIFTLINE_REDIS="redis://:secret@elsewhere:2/0")
    assert done.returncode == 0
    assert "nothing was started" in done.stdout
    assert "secret" not in done.stdout
    assert terminal.state() == {}


@pytest.mark.services
@pytest.mark.usefixtures("kafka", "redis_url")  # where those cannot run, this cannot either
def test_up_is_found_by_a_second_terminal_until_down(terminal: Terminal) -> None:
    up = terminal.run("up")
    assert (up.returncode, up.stdout.count("\n")) == (0, 1), up.stderr
    servers = terminal.state()
    assert set(servers) == {"kafka", "redis"}
    addresses = [server.address for server in servers.values()]
    for shown in (*addresses, str(terminal.folder / ".driftline"), "driftline down"):
        assert shown in up.stdout

    again = terminal.run("up")
    assert (again.returncode, again.stdout) == (0, up.stdout)
    assert terminal.state() == servers

    planned = terminal.run("topics", "plan")
    assert (planned.returncode, planned.stderr) == (2, "")
    assert "tweets" in planned.stdout
    assert terminal.run("topics", "apply").returncode == 0
    assert terminal.run("topics", "plan").stdout == "topics are as planned\n"

    checks = {check["name"]: check for check in json.loads(terminal.run("doctor", "--json").stdout)}
    for name in ("Kafka answers", "Redis answers", "topics", "data folder"):
        assert checks[name]["ok"], checks[name]
    with redis.Redis.from_url(servers["redis"].address) as client:
        client.set("kept", "yes")

    down = terminal.run("down")
    assert down.returncode == 0
    assert all(server.address in down.stdout for server in servers.values())
    assert all(gone(server.pid) for server in servers.values())
    assert terminal.run("down").stdout.startswith("nothing to stop")

    assert terminal.run("up").returncode == 0  # the data is still there
    assert terminal.run("topics", "plan").stdout == "topics are as planned\n"
    with redis.Redis.from_url(terminal.state()["redis"].address) as client:
        assert client.get("kept") == b"yes"


@pytest.mark.services
@pytest.mark.usefixtures("redis_url")
def test_up_starts_only_what_is_not_configured_and_survives_its_server_being_killed(terminal: Terminal) -> None:
    only_redis = {"DRIFTLINE_KAFKA": "elsewhere:1"}
    assert terminal.run("up", **only_redis).returncode == 0
    first = terminal.state()
    assert set(first) == {"redis"}
    os.kill(first["redis"].pid, signal.SIGKILL)
    wait_for(lambda: gone(first["redis"].pid))
    assert terminal.state() == {}
    assert terminal.run("up", **only_redis).returncode == 0
    assert terminal.state()["redis"].pid != first["redis"].pid


@pytest.mark.services
@pytest.mark.usefixtures("redis_url")
def test_up_is_all_or_nothing(terminal: Terminal) -> None:
    """A broker that cannot start takes the Redis that started before it down again."""
    failed = terminal.run("up", KAFKA_HOME=str(terminal.folder))
    assert failed.returncode == 1
    assert failed.stderr.startswith("driftline: KAFKA_HOME names")
    assert "Traceback" not in failed.stderr
    assert terminal.state() == {}
    assert not (terminal.folder / ".driftline" / "servers.json").exists()


def test_a_process_id_that_was_given_away_is_not_our_server(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    stranger = {"redis": {"address": "redis://127.0.0.1:1/0", "pid": os.getpid(), "started": "1"}}
    background.state_path(settings).write_text(json.dumps(stranger))
    assert background.resolve(settings, {}) == settings
    assert background.down(settings) == {}


def test_a_damaged_state_file_is_named(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    background.state_path(settings).write_text("{")
    with pytest.raises(ServerUnavailable, match=r"servers\.json is damaged"):
        background.read_state(settings)


def test_nothing_listens_at_a_free_port() -> None:
    assert not listening(f"127.0.0.1:{free_port()}")

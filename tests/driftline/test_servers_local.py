"""Local servers: configured ones are used, and those that are started end with their parent."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from driftline.servers import background
from driftline.servers.local import configured, local_servers
from driftline.servers.processes import ServerProcess, free_port, listening
from tests.support.paths import ROOT
from tests.support.processes import DEADLINE_S, gone, wait_for
from tests.support.terminal import Terminal


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


def test_up_with_configured_servers_starts_nothing(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    done = terminal.run("up", DRIFTLINE_KAFKA="elsewhere:1", DRIFTLINE_REDIS="redis://:secret@elsewhere:2/0")
    assert done.returncode == 0
    assert "nothing was started" in done.stdout
    assert "secret" not in done.stdout
    assert terminal.state() == {}


def test_a_process_id_that_was_given_away_is_not_our_server(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    stranger = {"redis": {"address": "redis://127.0.0.1:1/0", "pid": os.getpid(), "started": "1"}}
    background.state_path(settings).write_text(json.dumps(stranger))
    with pytest.raises(ServerUnavailable, match=r"^Redis of this folder \(redis://127\.0\.0\.1:1/0, .*does not run"):
        background.resolve(settings, {})
    elsewhere = msgspec.structs.replace(settings, redis="redis://elsewhere:1/0")
    assert background.resolve(elsewhere, {}) == elsewhere
    assert background.down(settings) == {}


def test_an_address_that_nobody_gave_is_named(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    done = terminal.run("vocab", "stats", DRIFTLINE_KAFKA="127.0.0.1:1")
    assert (
        "driftline: Redis is taken to be at redis://localhost:6379/0, as nothing here says otherwise" in done.stderr
    )
    assert "Kafka is taken" not in done.stderr
    for words in (("topics", "plan"), ("vocab", "top")):  # each uses one server, and the other is no matter here
        one = terminal.run(*words, DRIFTLINE_KAFKA="127.0.0.1:1", DRIFTLINE_REDIS="redis://127.0.0.1:1/0")
        assert "taken to be" not in one.stderr
    assert "is taken" not in terminal.run("topics", "plan", DRIFTLINE_KAFKA="127.0.0.1:1").stderr
    assert "is taken" not in terminal.run("vocab", "top", DRIFTLINE_REDIS="redis://127.0.0.1:1/0").stderr


def test_a_damaged_state_file_is_named(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    background.state_path(settings).write_text("{")
    with pytest.raises(ServerUnavailable, match=r"servers\.json is damaged"):
        background.read_state(settings)


def test_nothing_listens_at_a_free_port() -> None:
    assert not listening(f"127.0.0.1:{free_port()}")

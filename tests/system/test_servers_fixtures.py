"""The fixtures of conftest.py: none of their servers is left behind, and a failed test shows its server's log."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.support.inner_run import command, environment, run
from tests.support.processes import gone


@pytest.mark.usefixtures("redis_url")
def test_a_finished_run_leaves_no_server(tmp_path: Path) -> None:
    done = run(tmp_path, REQUIRE_SERVICES="1")
    assert done.returncode == 0, done.stdout
    assert gone(int((tmp_path / "server.pid").read_text()))


@pytest.mark.usefixtures("redis_url")
def test_a_failed_test_shows_the_server_s_log(tmp_path: Path) -> None:
    done = run(tmp_path, FAIL="1")
    assert done.returncode == 1
    assert "log of the server behind `redis_url` during this test" in done.stdout
    assert "Ready to accept connections" in done.stdout


@pytest.mark.usefixtures("redis_url")
def test_a_killed_run_leaves_no_server(tmp_path: Path) -> None:
    pid_file = tmp_path / "server.pid"
    with subprocess.Popen(
        command(tmp_path), cwd=tmp_path, env=environment(HANG="1"), stdout=subprocess.DEVNULL
    ) as hanging:
        deadline = time.monotonic() + 60
        while not (pid_file.exists() and pid_file.read_text()):
            assert hanging.poll() is None
            assert time.monotonic() < deadline
        server = int(pid_file.read_text())
        assert not gone(server)
        hanging.kill()
    while not gone(server):
        assert time.monotonic() < deadline

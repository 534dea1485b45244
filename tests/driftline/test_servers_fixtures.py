"""The fixtures of conftest.py: no pass without servers where they are required, and none left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import ROOT

USES_REDIS = """
import os, pathlib, threading
import redis

def test_it(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        pathlib.Path("server.pid").write_text(str(client.info("server")["process_id"]))
    if os.environ.get("HANG"):
        threading.Event().wait()
    assert not os.environ.get("FAIL")
"""


def command(folder: Path) -> list[str]:
    (folder / "test_inner.py").write_text(USES_REDIS)
    return [
        sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-o", "addopts=", "-s",
        "--rootdir", str(folder), "--basetemp", str(folder / "temporary"), str(folder / "test_inner.py"),
    ]  # fmt: skip


def environment(**extra: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DRIFTLINE_", "REQUIRE_"))}
    return {**inherited, "PYTHONPATH": str(ROOT), **extra}


def run(folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder), cwd=folder, env=environment(**extra), capture_output=True, text=True)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_without_servers_a_test_is_skipped_with_the_choices(tmp_path: Path) -> None:
    done = run(tmp_path, PATH=str(tmp_path))
    assert "1 skipped" in done.stdout
    assert done.returncode == 0


def test_required_servers_that_are_missing_are_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, PATH=str(tmp_path), REQUIRE_SERVICES="1")
    assert done.returncode == 1
    assert "no redis-server on this machine" in done.stdout
    assert "docker compose up" in done.stdout


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

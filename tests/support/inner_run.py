"""Runs pytest inside a test: one test that uses Redis through the fixtures of conftest.py."""

import os
import subprocess
import sys
from pathlib import Path

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
    """The command that runs the test in `folder`. Writes the test's file there; the test writes `server.pid`."""
    (folder / "test_inner.py").write_text(USES_REDIS)
    return [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "-s",
        "--rootdir",
        str(folder),
        "--basetemp",
        str(folder / "temporary"),
        str(folder / "test_inner.py"),
    ]


def environment(**extra: str) -> dict[str, str]:
    """The environment of a process that starts its own servers."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DRIFTLINE_", "REQUIRE_"))}
    return {**inherited, "PYTHONPATH": str(ROOT), **extra}


def run(folder: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run the test to its end."""
    return subprocess.run(command(folder), cwd=folder, env=environment(**extra), capture_output=True, text=True)

"""Commands that look at something import what they need and no more: imports are nearly all that they cost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.settings import Settings
from contracts.settings_sources import to_environ
from tests.support import inspect_samples
from tests.support.looking_commands import ALLOWED, HEAVY

PROGRAM = f"""
import atexit, sys
heavy = {HEAVY!r}
atexit.register(lambda: print("IMPORTED", *[name for name in heavy if name in sys.modules], file=sys.stderr))
from driftline.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def filled(kafka: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return inspect_samples.filled(kafka, redis_url, tmp_path_factory.mktemp("filled"))


@pytest.mark.parametrize("command", ALLOWED)
def test_a_command_imports_no_more_than_it_needs(filled: Settings, command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command.split()],
        env=os.environ | to_environ(filled),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    imported = done.stderr.rsplit("IMPORTED", 1)[1].split()
    assert set(imported) <= set(ALLOWED[command]), done.stderr[-2_000:]
    assert done.returncode in ((0, 2) if command == "topics plan" else (0,)), done.stdout + done.stderr

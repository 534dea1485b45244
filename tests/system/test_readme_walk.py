"""The README's commands, as written there, from an empty folder, in a shell with nothing set up but the command."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftline.servers.processes import free_port
from tests.support.paths import ROOT, python_blocks

README = (ROOT / "README.md").read_text()
MOST_S = 240.0


def commands_under(heading: str) -> list[str]:
    """The commands of the indented blocks under a bold heading, without their comments."""
    section = README.split(f"**{heading}**", 1)[1].split("\n**", 1)[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    driftline ")]
    return [re.sub(r"\s+#.*", "", line) for line in lines]


class Shell:
    """A shell in an empty folder, after `source .venv/bin/activate`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTLINE_")}
        self.environ["PATH"] = f"{Path(sys.executable).parent}:{self.environ['PATH']}"

    def run(self, command: str, *, fails: bool = False) -> str:
        """Run a command; returns what it printed."""
        done = subprocess.run(
            shlex.split(command), cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=MOST_S
        )
        shown = f"{command}\n{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}"
        assert bool(done.returncode) == fails, shown
        assert "Traceback" not in done.stdout + done.stderr, shown
        return done.stderr if fails else done.stdout

    def json(self, command: str) -> object:
        """What a command prints with `--json`."""
        return json.loads(self.run(f"{command} --json"))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path / "empty")
    yield made
    made.run("driftline down")


def test_the_readme_is_walked_from_an_empty_folder(shell: Shell) -> None:
    up, apply, run, simulate, status = commands_under("Run it for development.")
    assert (up, apply, run, status) == ("driftline up", "driftline topics apply", "driftline run", "driftline status")
    # The servers of tests never stand on default ports.
    said = shell.run(f"{up} --kafka-port {free_port()} --redis-port {free_port()}")
    kafka = re.search(r"Kafka (\S+),", said)
    assert kafka is not None
    shell.run(apply)
    log = shell.folder / "run.log"
    with log.open("w") as output:
        together = subprocess.Popen(
            shlex.split(run), cwd=shell.folder, env=shell.environ, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _feed_until_a_model_ranks(shell, simulate)
        _inspect(shell)
        _query(shell)
        _read_timelines(shell, kafka[1])
        assert "newest model: timeline" in shell.run(status)
    finally:
        together.terminate()
        status_of_run = together.wait(MOST_S)
    assert status_of_run == 0, log.read_text()[-4_000:]
    assert "Traceback" not in log.read_text()
    again = shell.run(up)
    assert kafka[1] in again


def _feed_until_a_model_ranks(shell: Shell, simulate: str) -> None:
    """On a slow machine the model comes late: the README says that `simulate` can be called again."""
    deadline = time.monotonic() + MOST_S
    while True:
        said = shell.run(simulate)
        assert "0 given up" in said, said
        timelines = shell.json("driftline timelines tail -n 50")
        assert isinstance(timelines, list)
        if any(timeline.get("ranker") == "model" for timeline in timelines):
            break
        assert time.monotonic() < deadline
    missing = sum(len(timeline["missing"]) for timeline in timelines)
    ranked = sum(len(timeline["tweets"]) for timeline in timelines)
    assert missing < ranked / 100
    assert not any(timeline["store_incomplete"] for timeline in timelines)
    letters = shell.json("driftline dead-letters list")
    assert isinstance(letters, dict)
    assert letters["counts"] == []


def _inspect(shell: Shell) -> None:
    commands = commands_under("Inspect it.")
    assert len(commands) >= 8
    [risen, *_] = shell.json("driftline vocab rising")  # type: ignore[misc]
    [timeline, *_] = shell.json("driftline timelines tail -n 1")  # type: ignore[misc]
    for command in commands:
        named = command.replace("'#tag'", f"'#{risen['token']}'").replace(" ID", f" {timeline['tweets'][0]['id']}")
        assert shell.run(named).strip(), named


def _query(shell: Shell) -> None:
    _, code = python_blocks("README.md")
    [timeline, *_] = shell.json("driftline timelines tail -n 1")  # type: ignore[misc]
    code = code.replace("ID", timeline["tweets"][0]["id"])
    asked = subprocess.run(
        [sys.executable, "-c", code], cwd=shell.folder, env=shell.environ, capture_output=True, text=True, check=False
    )
    assert re.fullmatch(r"\[\d+\.\] \[ ?(True|False)\]\n", asked.stdout), asked.stderr


def _read_timelines(shell: Shell, kafka: str) -> None:
    code, _ = python_blocks("README.md")
    code = code.replace("localhost:9092", kafka)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=shell.folder, env=shell.environ, stdout=subprocess.PIPE, text=True
    ) as reading:
        assert reading.stdout is not None
        first = reading.stdout.readline()
        reading.kill()
    assert first.startswith("viewer 9"), first


def test_the_error_that_the_readme_shows_is_the_one_that_comes(shell: Shell) -> None:
    [block] = re.findall(r"    \$ (DRIFTLINE_KAFKA=\S+) (driftline topics plan)\n((?:    .*\n)+)", README)
    variable, command, shown = block
    name, value = variable.split("=")
    shell.environ[name] = value
    lines = shell.run(command, fails=True).splitlines()
    # Here no `driftline up` has said where Redis is, as it has in the README's folder.
    said = "\n".join(line for line in lines if "is taken to be at" not in line)
    del shell.environ[name]

    def words(text: str) -> str:
        return " ".join(re.sub(r"\[.*?\]|\S*Error: .*?(?=; start)", "", text).split())

    assert words(shown).split(": ")[:2] == words(said).split(": ")[:2]
    assert words(said).endswith(words(shown)[-60:])

"""Every command says what it is for, in its help and in docs/cli.md, and help comes without heavy imports."""

import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from driftline.cli.main import build
from scripts.write_cli_docs import PATH, commands, text

COMMANDS = dict(commands(get_command(build())))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_parameter_has_help(path: str) -> None:
    command: Any = COMMANDS[path]
    assert command.help
    assert command.help.strip()[0].isupper()
    for parameter in command.params:
        assert parameter.help, f"{path}: {parameter.name}"


PROGRAMS = ["worker", "trainer", "scorer", "replay", "simulate", "demo"]


@pytest.mark.parametrize("name", ["up", "down", "doctor", *PROGRAMS])
def test_the_command_is_there(name: str) -> None:
    assert f"driftline {name}" in COMMANDS


def test_topics_are_planned_and_applied() -> None:
    assert {"driftline topics plan", "driftline topics apply"} <= set(COMMANDS)


@pytest.mark.parametrize("group", ["vocab", "bins", "features", "examples", "dead-letters", "models", "timelines"])
def test_the_groups_are_there_and_what_they_list_has_json(group: str) -> None:
    members = {path: command for path, command in COMMANDS.items() if path.startswith(f"driftline {group} ")}
    assert members
    assert any("--json" in parameter.opts for command in members.values() for parameter in command.params)


def test_every_command_has_an_entry_in_the_documentation_that_is_current() -> None:
    assert PATH.read_text() == text(), "run: .venv/bin/python scripts/write_cli_docs.py"
    for path in COMMANDS:
        assert f"`{path}" in text()


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from driftline.cli.main import build\n"
        "build()(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'faust', 'kafka', 'aiokafka', 'redis', 'numpy', 'numba', 'pyarrow', 'sklearn'}\n"
        "print(*sorted(heavy & set(sys.modules)), sep=', ', end='', file=sys.stderr)\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.stderr == "", "imported for --help"
    assert "Usage: " in shown.stdout

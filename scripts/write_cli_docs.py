"""Writes docs/cli.md from the help of the command line.

tests/driftline/test_cli_help.py checks that the page is current.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from driftline.cli.main import build

PATH = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """\
# The command line

`scripts/write_cli_docs.py` generates this page from `driftline COMMAND --help`.

Settings come from the environment (`DRIFTLINE_KAFKA`, `DRIFTLINE_REDIS`, ...), then from `driftline.toml`, then from
defaults. Where no address is set, commands use the servers that `driftline up` left running in this folder.
"""


def commands(command: Any, path: str = "driftline") -> Iterator[tuple[str, Any]]:
    """("driftline topics plan", its command) for every command and group below `command`, in order of the help."""
    for name, child in getattr(command, "commands", {}).items():
        yield f"{path} {name}", child
        yield from commands(child, f"{path} {name}")


def text() -> str:
    """The whole page."""
    return HEAD + "".join(_section(path, command) for path, command in commands(get_command(build())))


def _section(path: str, command: Any) -> str:
    level = "#" * len(path.split())
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = [path, *map(_argument, arguments), *(["[OPTIONS]"] if options else [])]
    if hasattr(command, "commands"):
        usage.append("COMMAND")
    lines = [f"\n{level} `{' '.join(usage)}`\n", _paragraphs(command.help)]
    rows = [_row(parameter) for parameter in (*arguments, *options)]
    if rows:
        lines += ["", "| | default | |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _argument(parameter: Any) -> str:
    name = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _row(parameter: Any) -> str:
    name = ", ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        name = f"`{_argument(parameter)}`"
    shown = parameter.default is not None and parameter.default is not False and not callable(parameter.default)
    default = f"`{parameter.default}`" if shown and parameter.default != "" else ""
    return f"| {name} | {default} | {_paragraphs(parameter.help)} |"


def _paragraphs(help_text: str | None) -> str:
    return inspect.cleandoc(help_text or "").replace("|", "\\|")


if __name__ == "__main__":
    PATH.write_text(text())

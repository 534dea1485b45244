"""The `driftline` command: registers the commands. Importing it imports neither torch nor faust."""

import gc
import os
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer

from contracts.errors import DriftlineError
from driftline.cli.logs import begin_logging

# Name -> its module here: it has a function of the command's name, or the group's `app`. In the order of the help.
COMMANDS = {
    "up": "servers",
    "down": "servers",
    "doctor": "servers",
    "status": "status",
    "demo": "demo",
    "run": "run",
    "worker": "worker",
    "trainer": "trainer",
    "scorer": "scorer",
    "replay": "replay",
    "simulate": "simulate",
}
GROUPS = {
    "config": "config",
    "topics": "topics",
    "offsets": "offsets",
    "time": "event_time",
    "vocab": "vocab",
    "bins": "bins",
    "features": "features",
    "examples": "examples",
    "models": "models",
    "timelines": "timelines",
    "dead-letters": "dead_letters",
}
# Allocations between two garbage collections. With Python's default of 700, a worker and a scorer spend a fifth of
# their time in the collector, which finds nothing: a batch makes thousands of records, none of them in a cycle.
COLLECT_AFTER = 50_000


def build(names: Iterable[str] = (*COMMANDS, *GROUPS)) -> typer.Typer:
    """The command line with these commands and groups. Imports their modules, and the modules of no others."""
    app = typer.Typer(
        name="driftline",
        callback=_options,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name in names:
        module = import_module(f"driftline.cli.{COMMANDS.get(name) or GROUPS[name]}")
        if name in COMMANDS:
            app.command(name)(getattr(module, name))
        else:
            app.add_typer(module.app, name=name)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"driftline {version('driftline')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """Streaming vocabulary, features and ranked timelines on Kafka, Redis and PyTorch."""


def main() -> None:
    """Run the command line. A `DriftlineError` prints one message and exits with status 1, without a stack trace.

    Where the first argument names a command, only that one is registered, so that it starts quickly.
    """
    gc.set_threshold(COLLECT_AFTER)
    # numpy's OpenBLAS would start a thread a core when it is imported, which costs as much as the import does. No
    # command multiplies matrices with it: kernels are our own, and the dense layers are torch's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    begin_logging()
    named = [word for word in sys.argv[1:2] if word in COMMANDS or word in GROUPS]
    app = build(named) if named else build()
    try:
        app()
    except DriftlineError as error:
        sys.exit(f"driftline: {error}")
    finally:
        # The collection at Python's end looks at every object of every module: a quarter of a short command's time.
        gc.freeze()

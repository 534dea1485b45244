"""The `driftline` command: registers every command. Importing it imports neither torch nor faust."""

import importlib.metadata
import sys
from typing import Annotated

import typer

from contracts.errors import DriftlineError
from driftline.cli import (
    bins,
    config,
    dead_letters,
    demo,
    event_time,
    examples,
    features,
    models,
    offsets,
    replay,
    run,
    scorer,
    servers,
    simulate,
    status,
    timelines,
    topics,
    trainer,
    vocab,
    worker,
)
from driftline.cli.logs import begin_logging

app = typer.Typer(
    name="driftline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"driftline {importlib.metadata.version('driftline')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """Streaming vocabulary, features and ranked timelines on Kafka, Redis and PyTorch."""


for command in (
    servers.up,
    servers.down,
    servers.doctor,
    status.status,
    demo.demo,
    run.run,
    worker.worker,
    trainer.trainer,
    scorer.scorer,
    replay.replay,
    simulate.simulate,
):
    app.command(command.__name__)(command)
for name, group in {
    "config": config,
    "topics": topics,
    "offsets": offsets,
    "time": event_time,
    "vocab": vocab,
    "bins": bins,
    "features": features,
    "examples": examples,
    "models": models,
    "timelines": timelines,
    "dead-letters": dead_letters,
}.items():
    app.add_typer(group.app, name=name)


def main() -> None:
    """Run the command line. A `DriftlineError` prints one message and exits with status 1, without a stack trace."""
    begin_logging()
    try:
        app()
    except DriftlineError as error:
        sys.exit(f"driftline: {error}")

"""The `driftline` command: a list of registrations. Modules named here import neither torch nor faust on import."""

import logging
import sys

import typer

from contracts.errors import DriftlineError
from driftline.cli import servers, topics, worker

app = typer.Typer(
    name="driftline",
    help="Streaming vocabulary, features and ranked timelines on Kafka, Redis and PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(servers.up)
app.command("down")(servers.down)
app.command("doctor")(servers.doctor)
app.command("worker")(worker.worker)
app.add_typer(topics.app, name="topics")


def main() -> None:
    """Run the command line; an error of ours is one message and status 1, never a stack trace."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # kafka-python logs what it raises, once a retry
    try:
        app()
    except DriftlineError as error:
        sys.exit(f"driftline: {error}")

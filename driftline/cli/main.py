"""The `driftline` command: a list of registrations. Modules named here import neither torch nor faust on import."""

import logging
import sys

import typer

from contracts.errors import DriftlineError
from driftline.cli import (
    bins,
    dead_letters,
    demo,
    examples,
    features,
    models,
    replay,
    scorer,
    servers,
    simulate,
    timelines,
    topics,
    trainer,
    vocab,
    worker,
)
from transport.kafka.client_logs import OncePerInterval

app = typer.Typer(
    name="driftline",
    help="Streaming vocabulary, features and ranked timelines on Kafka, Redis and PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    servers.up,
    servers.down,
    servers.doctor,
    demo.demo,
    worker.worker,
    trainer.trainer,
    scorer.scorer,
    replay.replay,
    simulate.simulate,
):
    app.command(command.__name__)(command)
for name, group in {
    "topics": topics,
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
    """Run the command line; an error of ours is one message and status 1, never a stack trace."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(OncePerInterval())
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # kafka-python logs what it raises, once a retry
    try:
        app()
    except DriftlineError as error:
        sys.exit(f"driftline: {error}")

"""`driftline worker`: one stream worker."""

import os
from typing import Annotated

import typer

from contracts.settings import to_environ
from driftline.cli.common import current_settings


def worker(
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run a stream worker: vocabulary, bins, features and examples out of the events on Kafka.

    Run as many as there are partitions, on as many machines as you like: they share the work and take over from one
    another. SIGTERM and Ctrl-C drain. `faust -A streams.app worker` runs the same app.
    """
    os.environ.update(to_environ(current_settings()))  # streams.app reads its settings where it is imported
    import faust

    from streams.app import app

    faust.Worker(app, loglevel=log_level, redirect_stdouts=False).execute_from_commandline()

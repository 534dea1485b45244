"""`driftline worker`: one stream worker."""

from typing import Annotated, Literal

import typer

from driftline.cli.common import current_settings, serve_metrics
from driftline.cli.logs import log_at


def worker(
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Least severe messages to log.")
    ] = "info",
) -> None:
    """Run a stream worker: it makes vocabulary, bins, features and examples from the events on Kafka.

    Run up to one per partition, on any number of machines: they share the work and take over from one another.
    SIGTERM and Ctrl-C drain. `faust -A streams.app worker` runs the same app.
    """
    settings = current_settings()
    serve_metrics(settings)
    from streams.app import run_worker

    log_at(log_level)
    run_worker(settings)

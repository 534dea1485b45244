"""`driftline trainer`: the process that learns from examples and publishes models."""

import signal
import threading
from typing import Annotated, Literal

import typer

from driftline.cli.common import current_settings, serve_metrics
from driftline.cli.logs import log_at


def trainer(
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Least severe messages to log.")
    ] = "info",
) -> None:
    """Learn from examples and publish models, which scorers swap in; resumes where it stopped.

    Run one per data folder. SIGTERM and Ctrl-C publish what was learned since the last version, then stop.
    """
    log_at(log_level)
    from trainer.service import run

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = current_settings()
    serve_metrics(settings)
    run(settings, stop)

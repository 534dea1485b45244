"""`driftline scorer`: one process that answers timeline requests."""

import asyncio
from typing import Annotated, Literal

import typer

from driftline.cli.common import current_settings, serve_metrics
from driftline.cli.logs import log_at


def scorer(
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Least severe messages to log.")
    ] = "info",
) -> None:
    """Answer timeline requests with the newest model, or in a fallback order while there is none.

    Run up to one per partition, on any number of machines: they share the requests and take over from one another.
    SIGTERM and Ctrl-C drain.
    """
    log_at(log_level)
    from driftline.cli.signals import until_signalled
    from scoring.service import run

    settings = current_settings()
    serve_metrics(settings)
    asyncio.run(until_signalled(run, settings))

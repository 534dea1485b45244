"""`driftline scorer`: one process that answers timeline requests."""

import asyncio
import logging
from typing import Annotated, Literal

import typer

from driftline.cli.common import begin_service, current_settings


def scorer(
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="How much to say on standard error.")
    ] = "info",
) -> None:
    """Answer timeline requests with the newest model, or in a named fallback order while there is none.

    Run as many as there are partitions, on as many machines as you like: they share the requests and take over from
    one another. SIGTERM and Ctrl-C drain.
    """
    logging.getLogger().setLevel(log_level.upper())
    from driftline.cli.signals import until_signalled
    from scoring.service import run

    settings = current_settings()
    begin_service(settings)
    asyncio.run(until_signalled(run, settings))

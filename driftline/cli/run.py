"""`driftline run`: worker, trainer and scorer together, in the foreground."""

import asyncio
import os
import sys
from typing import Annotated, Literal

import typer

from driftline.cli.common import current_settings


def run(
    workers: Annotated[int, typer.Option(min=1, max=256, help="How many stream workers.")] = 1,
    scorers: Annotated[int, typer.Option(min=1, max=256, help="How many scorers.")] = 1,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Least severe messages to log.")
    ] = "info",
) -> None:
    """Run a stream worker, the trainer and a scorer together, for development: one terminal, one Ctrl-C.

    Each line of their logs begins with the name of the process. Ctrl-C and SIGTERM stop them all, and so does the end
    of one of them. With `metrics_port`, each has a port of its own, from that one on.

    Example: driftline run --workers 2
    """
    from driftline.operations.run_together import commands, run_together

    settings = current_settings()  # says so here, and once, if servers are gone

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    asyncio.run(run_together(settings, commands(workers, scorers, log_level), say, dict(os.environ)))

"""`driftline replay FILE`: publish a file of tweets to Kafka."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import SettingsError
from driftline.cli.common import installed_settings
from driftline.cli.options import MOST

_CLOCK_SKEW_MS = 86_400_000  # how far ahead of this machine's clock a tweet may be
_VIEWERS = 300


def replay(
    file: Annotated[Path, typer.Argument(help="Tweets as JSON lines, JSON or CSV; plain, .gz, .zst or in a tar.")],
    speed: Annotated[str, typer.Option(help="Event time per wall-clock time, such as 100x; or max.")] = "max",
    viewers: Annotated[bool, typer.Option(help="Simulate viewers that ask for timelines and react.")] = True,
    limit: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Publish only the first tweets of the file.")
    ] = None,
    columns: Annotated[str, typer.Option(help="Your CSV's columns, such as text=message,time=sent,author=who.")] = "",
    time_format: Annotated[str | None, typer.Option(help="Time format of a CSV, as for strptime.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="Seed of the simulated viewers.")] = 1,
    outstanding: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Hold event time at this many unanswered requests.")
    ] = 200,
) -> None:
    """Publish a file of tweets in order of event time.

    Rows that cannot be read go to tweets-dead-letters with the reason. The file has no viewers: simulated ones ask
    for timelines and react, at rates that follow the tweets' public counts. Ctrl-C drains.

    Example: driftline replay tweets.jsonl.gz --speed 100x
    """
    from driftline.feeding.console import run_replay
    from driftline.feeding.loop import FeedConfig
    from driftline.feeding.pace import parse_speed
    from driftline.inspect.event_time import stands_at_ms
    from sources import open_source

    config = FeedConfig(name="driftline replay", speed=parse_speed(speed), most_outstanding=outstanding)
    source = open_source(
        file,
        columns=_mapping(columns),
        time_format=time_format,
        not_after_ms=int(time.time() * 1000) + _CLOCK_SKEW_MS,
    )
    settings = installed_settings()
    feeding = run_replay(
        source,
        settings,
        config,
        viewers=_VIEWERS if viewers else 0,
        seed=seed,
        limit=limit,
        stands_at_ms=stands_at_ms(settings),
    )
    typer.echo(asyncio.run(feeding))


def _mapping(columns: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in columns.split(",") if pair]
    if not all(field and name for field, _, name in pairs):
        raise SettingsError(f"--columns {columns!r}: expected field=column, with commas between")
    return {field.strip(): name.strip() for field, _, name in pairs}

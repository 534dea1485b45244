"""`driftline replay FILE`: a file of tweets on Kafka."""

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from contracts.errors import SettingsError
from driftline.cli.common import current_settings

_CLOCK_SKEW_MS = 86_400_000  # a tweet may be this far ahead of this machine's clock
_VIEWERS = 300


def replay(
    file: Annotated[
        Path, typer.Argument(help="JSON lines, JSON or CSV of tweets; plain, .gz, .zst or a tar of them.")
    ],
    speed: Annotated[str, typer.Option(help="How the gaps between tweets are scaled, such as 100x; or max.")] = "max",
    viewers: Annotated[bool, typer.Option(help="Simulate viewers that ask and react.")] = True,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many tweets of the file.")] = None,
    columns: Annotated[str, typer.Option(help="Your CSV's columns, such as text=message,time=sent,author=who.")] = "",
    time_format: Annotated[str | None, typer.Option(help="How a CSV writes times, as for strptime.")] = None,
    window: Annotated[
        str, typer.Option(help="Window in ms that is closed at the end; auto: by the file's span.")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated viewers.")] = 1,
    outstanding: Annotated[int, typer.Option(min=1, help="Unanswered requests at which event time waits.")] = 200,
) -> None:
    """Publish a file of tweets in order of event time.

    What cannot be read goes to tweets-dead-letters with its reason. Tweets have no viewers of their own: simulated
    ones ask for timelines and react, at rates that follow the tweets' public counts. Ctrl-C drains.

    Example: driftline replay tweets.jsonl.gz --speed 100x
    """
    from driftline.feeding.console import run_replay
    from driftline.feeding.loop import FeedConfig
    from driftline.feeding.pace import parse_speed
    from sources import open_source

    config = FeedConfig(speed=parse_speed(speed), most_outstanding=outstanding, window_ms=_window(window))
    source = open_source(
        file,
        columns=_mapping(columns),
        time_format=time_format,
        not_after_ms=int(time.time() * 1000) + _CLOCK_SKEW_MS,
    )
    feeding = run_replay(
        source, current_settings(), config, viewers=_VIEWERS if viewers else 0, seed=seed, limit=limit
    )
    typer.echo(asyncio.run(feeding))


def _mapping(columns: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in columns.split(",") if pair]
    if not all(field and name for field, _, name in pairs):
        raise SettingsError(f"--columns {columns!r}: expected field=column, with commas between")
    return {field.strip(): name.strip() for field, _, name in pairs}


def _window(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdigit() or int(text) == 0:
        raise SettingsError(f"--window {text!r}: milliseconds, or auto")
    return int(text)

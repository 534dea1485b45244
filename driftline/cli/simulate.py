"""`driftline simulate`: publish a simulated world to Kafka."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli.common import installed_settings
from driftline.cli.options import MOST

if TYPE_CHECKING:
    from contracts.settings import Settings

_REQUESTS_PER_TWEET = 0.02


def simulate(
    rate: Annotated[float, typer.Option(min=0.01, max=1_000_000, help="Tweets per second of event time.")] = 10.0,
    hours: Annotated[
        float, typer.Option(min=0.001, max=87_600, help="How much event time to simulate, in hours.")
    ] = 6.0,
    seed: Annotated[int, typer.Option(min=0, max=MOST, help="The same seed gives the same world.")] = 1,
    speed: Annotated[str, typer.Option(help="Event time per wall-clock time, such as 100x; or max.")] = "max",
    viewers: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Viewers that ask for timelines and react to them.")
    ] = 400,
    outstanding: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Hold event time at this many unanswered requests.")
    ] = 200,
) -> None:
    """Publish a simulated world: tweets, timeline requests, and reactions to the timelines, by known probabilities.

    Begins where event time stands, and ends after `--hours` of it; Ctrl-C drains. There are 20 requests for every
    1,000 tweets. They wait until the workers have taken in the tweets before them.

    Example: driftline simulate --rate 10 --hours 6 --speed 100x
    """
    from driftline.feeding.console import run_world
    from driftline.feeding.loop import FeedConfig
    from driftline.feeding.pace import parse_speed
    from driftline.inspect.event_time import stands_at_ms
    from simulation.config import HOUR_MS, WorldConfig
    from simulation.world import World

    settings = installed_settings()
    hourly = rate * 3600
    described = WorldConfig(tweets_per_hour=hourly, requests_per_hour=hourly * _REQUESTS_PER_TWEET, viewers=viewers)
    described = replace(described, begin_ms=_begin_ms(described.begin_ms, stands_at_ms(settings), settings))
    config = FeedConfig(
        name="driftline simulate",
        speed=parse_speed(speed),
        end_ms=described.begin_ms + int(hours * HOUR_MS),
        most_outstanding=outstanding,
    )
    typer.echo(asyncio.run(run_world(World(described, seed), settings, config)))


def _begin_ms(wanted_ms: int, stands_at_ms: int | None, settings: "Settings") -> int:
    """When the world begins: as wanted, or at the next window after event time as it stands, or all would be late."""
    window_ms = settings.time.window_ms
    if stands_at_ms is None or stands_at_ms < wanted_ms:
        return wanted_ms
    return (stands_at_ms // window_ms + 1) * window_ms

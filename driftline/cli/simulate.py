"""`driftline simulate`: publish a simulated world to Kafka."""

import asyncio
from typing import Annotated

import typer

from driftline.cli.common import installed_settings
from driftline.cli.options import MOST

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

    Ends after `--hours` of event time; Ctrl-C drains. There are 20 requests for every 1,000 tweets.

    Example: driftline simulate --rate 10 --hours 6 --speed 100x
    """
    from driftline.feeding.console import run_world
    from driftline.feeding.loop import FeedConfig
    from driftline.feeding.pace import parse_speed
    from simulation.config import HOUR_MS, WorldConfig
    from simulation.world import World

    hourly = rate * 3600
    described = WorldConfig(tweets_per_hour=hourly, requests_per_hour=hourly * _REQUESTS_PER_TWEET, viewers=viewers)
    config = FeedConfig(
        name="driftline simulate",
        speed=parse_speed(speed),
        end_ms=described.begin_ms + int(hours * HOUR_MS),
        most_outstanding=outstanding,
    )
    typer.echo(asyncio.run(run_world(World(described, seed), installed_settings(), config)))

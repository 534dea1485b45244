"""`driftline time`: who moves event time, and how far it is."""

from typing import Annotated

import typer

from driftline.cli.common import current_settings, installed_settings, print_json
from driftline.cli.options import AsJson
from driftline.console_tables import print_table, when

app = typer.Typer(
    name="time",
    help="Say who moves event time, and see how far it is.\n\nExample: driftline time show",
    no_args_is_help=True,
)


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show who moves event time, and how old the newest events were when the broker got them.

    Example: driftline time show
    """
    from driftline.inspect import event_time
    from driftline.inspect.logs import LogReader

    with LogReader.connected(current_settings("kafka")) as logs:
        declared, newest = event_time.declaration(logs), event_time.newest_events(logs)
    if as_json:
        print_json({"declared": declared, "newest": newest})
        return
    if declared is None:
        typer.echo("event time is live: nothing was ever declared")
    else:
        typer.echo(f"event time is {declared.mode}, declared by {declared.writer} (epoch {declared.epoch})")
    print_table(
        "newest event of each partition",
        ["topic", "#partition", "event time", "appended", "#seconds between"],
        [(n.topic, n.partition, when(n.at_ms), when(n.append_ms), f"{n.lag_ms / 1000:,.1f}") for n in newest],
    )


@app.command()
def live() -> None:
    """Let events move time again, as far as the broker's clock: after a replay, when live producers take over.

    Example: driftline time live
    """
    import asyncio

    from contracts.records import TimeMode
    from transport.declare_time import declare_time
    from transport.kafka.cluster import KafkaCluster

    settings = installed_settings()
    declared = asyncio.run(declare_time(settings, KafkaCluster(settings), TimeMode.LIVE, "driftline time live"))
    typer.echo(f"event time is live from here on (epoch {declared.epoch})")


@app.command()
def replay(
    writer: Annotated[str, typer.Option(help="The program that is going to write old events, for people.")],
) -> None:
    """Let the ticks of one program alone move time: before it writes old events, unless it declares itself.

    Its ticks must carry the epoch that this prints; docs/event_time.md says how.

    Example: driftline time replay --writer backfill
    """
    import asyncio

    from contracts.records import TimeMode
    from transport.declare_time import declare_time
    from transport.kafka.cluster import KafkaCluster

    settings = installed_settings()
    declared = asyncio.run(declare_time(settings, KafkaCluster(settings), TimeMode.REPLAY, writer))
    typer.echo(
        f"event time is moved by the ticks of {writer} alone (epoch {declared.epoch}); "
        "`driftline time live` ends that"
    )

"""`driftline up`, `down` and `doctor`: local servers, and what this machine lacks."""

from typing import Annotated

import typer

from contracts.settings import masked
from contracts.settings_sources import load
from driftline.cli.common import print_json
from driftline.servers import background


def up(
    kafka_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port of Kafka, now and at later starts.")
    ] = None,
    redis_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="Port of Redis, now and at later starts.")
    ] = None,
) -> None:
    """Start a local Kafka and Redis in the background, for development.

    Prints their addresses, the data folder and how to stop them. Other commands that run in this folder find them
    without settings. They come back at the same ports after `down` or a crash, so that running processes go on. A
    server whose address is configured (DRIFTLINE_KAFKA, DRIFTLINE_REDIS) is used, not started.
    """
    settings = load()
    ports = {name: port for name, port in (("kafka", kafka_port), ("redis", redis_port)) if port}
    started = background.up(settings, _say, ports)
    addresses = background.resolve(settings)
    stop = "stop with: driftline down" if started else "both are configured, nothing was started"
    typer.echo(
        f"Kafka {masked(addresses.kafka)}, Redis {masked(addresses.redis)}, "
        f"data in {background.state_path(settings).parent}; {stop}"
    )


def down() -> None:
    """Stop what `driftline up` started in this folder; the data stays."""
    settings = load()
    stopped = background.down(settings)
    if not stopped:
        typer.echo(f"nothing to stop: no server of `driftline up` runs with its data in {settings.data_dir}")
    for name, server in stopped.items():
        typer.echo(f"stopped {name} at {server.address}")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False) -> None:
    """Show what this machine has, what is missing and how to fix it; exit status 1 if something needed is missing."""
    from driftline.inspect import doctor as checks

    found = checks.examine(background.addressed(load()))
    if as_json:
        print_json(found)
    else:
        checks.show(found)
    if any(check.needed and not check.ok for check in found):
        raise typer.Exit(1)


def _say(message: str) -> None:
    typer.echo(message, err=True)

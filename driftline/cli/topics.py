"""`driftline topics`: compare a cluster's topics with the table of topics, and create them."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer

from contracts.settings import MOST_PARTITIONS, Settings
from driftline.cli.common import current_settings, print_json

app = typer.Typer(name="topics", help="Compare a cluster's topics with the table in contracts.", no_args_is_help=True)


Partitions = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_PARTITIONS, help="Of each topic but the single ones; fixed from then on. New: 4."),
]


@app.command()
def plan(
    partitions: Partitions = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """Show what `apply` would create or change; exit status 2 if it would do anything."""
    from transport.installation import plan as plan_topics

    differences = plan_topics(_settings(partitions))
    _show(differences, as_json, nothing="topics are as planned")
    if differences:
        raise typer.Exit(2)


@app.command()
def apply(
    partitions: Partitions = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Make an installation: create missing topics, and set their configuration as in the table.

    As many workers and scorers can run as there are partitions. Their number and the settings that give the logs
    their meaning (time.window_ms, time.lateness_ms, features.pane_ms, join.label_window_ms) are kept with the
    topics, and processes with others refuse to start.

    Example: driftline topics apply --partitions 32
    """
    from transport.installation import install

    _show(install(_settings(partitions)), as_json, nothing="topics are as planned: nothing to do")


def _settings(partitions: int | None) -> Settings:
    settings = current_settings("kafka")
    return settings if partitions is None else msgspec.structs.replace(settings, partitions=partitions)


def _show(differences: Sequence[Any], as_json: bool, *, nothing: str) -> None:
    if as_json:
        print_json(differences)
        return
    for difference in differences or [nothing]:
        typer.echo(str(difference))

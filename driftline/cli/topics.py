"""`driftline topics`: compare a cluster's topics with the table of topics, and create them."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from driftline.cli.common import current_settings, print_json

app = typer.Typer(name="topics", help="Compare a cluster's topics with the table in contracts.", no_args_is_help=True)


@app.command()
def plan(as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False) -> None:
    """Show what `apply` would create or change; exit status 2 if it would do anything."""
    from transport.kafka import admin as kafka_admin

    differences = kafka_admin.plan(current_settings())
    _show(differences, as_json, nothing="topics are as planned")
    if differences:
        raise typer.Exit(2)


@app.command()
def apply(as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False) -> None:
    """Create missing topics and set their configuration as in the table; partitions are never removed."""
    from transport.kafka import admin as kafka_admin

    _show(kafka_admin.apply(current_settings()), as_json, nothing="topics are as planned: nothing to do")


def _show(differences: Sequence[Any], as_json: bool, *, nothing: str) -> None:
    if as_json:
        print_json(differences)
        return
    for difference in differences or [nothing]:
        typer.echo(str(difference))

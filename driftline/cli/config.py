"""`driftline config`: the settings of this process, and where each comes from."""

from typing import Annotated

import typer

from contracts.settings import masked
from contracts.settings_sources import load, names, origins, value_of
from driftline.cli.common import print_json
from driftline.cli.options import AsJson
from driftline.console_tables import print_table

app = typer.Typer(
    name="config",
    help="Show and check this process's settings.\n\nExample: driftline config show",
    no_args_is_help=True,
)


@app.command()
def show(
    changed: Annotated[bool, typer.Option("--changed", help="Only those that are not the default.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the value of every setting, and where it comes from: a variable, a file, or the default.

    Example: driftline config show --changed
    """
    settings, found = load(), origins()
    rows = [
        (name, _shown(value_of(settings, name)), found[name])
        for name in names()
        if not changed or found[name] != "default"
    ]
    if as_json:
        print_json([{"name": name, "value": value, "from": origin} for name, value, origin in rows])
        return
    print_table("settings", ["name", "value", "from"], rows)


@app.command()
def check() -> None:
    """Say whether the settings are valid, by themselves and together; exit status 1 if they are not.

    Whether they fit the installation that there is, `driftline doctor` says.

    Example: driftline config check
    """
    from featurestore.bins.settings import check_bin_settings
    from vocab.rules import rules_of

    settings = load()
    rules_of(settings.vocab)
    check_bin_settings(settings.bins)
    given = sum(origin != "default" for origin in origins().values())
    typer.echo(f"the settings are valid; {given} of {len(names())} are not the default")


def _shown(value: object) -> object:
    return masked(value) if isinstance(value, str) else value

"""`driftline examples`: the labelled examples that the trainer learns from."""

import typer

from driftline.cli.common import current_settings, print_json
from driftline.cli.options import AsJson, Count
from driftline.console_tables import number, print_table, when

app = typer.Typer(
    name="examples",
    help="Look at the labelled examples that the trainer learns from.\n\nExample: driftline examples stats",
    no_args_is_help=True,
)


@app.command()
def tail(count: Count = 20, as_json: AsJson = False) -> None:
    """Show the newest examples: viewer, tweet, served probability, and what the viewer did.

    Example: driftline examples tail -n 5
    """
    from driftline.inspect import examples

    found = examples.newest_examples(current_settings("kafka"), count)
    if as_json:
        print_json(found)
        return
    print_table(
        "newest examples",
        ["shown at", "#viewer", "#tweet", "#place", "#probability", "#model", "actions", "provenance"],
        [
            (
                when(e.at_ms),
                e.viewer_id,
                e.tweet_id,
                e.position,
                number(e.probability),
                e.model_version or "-",
                ", ".join(e.actions) or "-",
                e.provenance,
            )
            for e in found
        ],
    )


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Show figures over the whole log of examples: how many, how many with engagement, how many models served them.

    Example: driftline examples stats --json
    """
    from driftline.inspect import examples

    found = examples.stats(current_settings("kafka"))
    if as_json:
        print_json(found)
        return
    span = (
        "-" if found.first_ms is None or found.last_ms is None else f"{when(found.first_ms)} to {when(found.last_ms)}"
    )
    print_table(
        "examples",
        ["figure", "#value"],
        [
            ("examples", f"{found.examples:,}"),
            ("impressions that they stand for", f"{found.weighted:,.0f}"),
            ("engaged with", f"{found.engaged:,}"),
            ("base rate", number(found.base_rate)),
            ("served by a fallback order", f"{found.fallback:,}"),
            ("model versions that served", found.model_versions),
            ("event time", span),
            ("batches", f"{found.batches:,}"),
            ("bytes", f"{found.bytes:,}"),
            *((f"action: {action}", f"{count:,}") for action, count in found.actions.items()),
            *((f"provenance: {name}", f"{count:,}") for name, count in found.provenance.items()),
        ],
    )

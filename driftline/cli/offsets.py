"""`driftline offsets`: where each hop stands in its logs, and how to go on where it cannot."""

from typing import Annotated

import typer

from driftline.cli.common import installed_settings, print_json
from driftline.cli.options import AsJson
from driftline.console_tables import print_table

app = typer.Typer(
    name="offsets",
    help="Where each hop stands in its logs, and how to go on where it cannot.\n\nExample: driftline offsets show",
    no_args_is_help=True,
)


@app.command()
def show(as_json: AsJson = False) -> None:
    """Show what each hop has committed and what the logs hold; exit status 2 if a hop cannot go on.

    Example: driftline offsets show
    """
    from driftline.inspect.offsets import offsets

    rows = offsets(installed_settings("kafka"))
    if as_json:
        print_json(rows)
    else:
        print_table(
            "offsets",
            ["hop", "topic", "#partition", "#committed", "#begin", "#end", "state"],
            [(r.hop, r.topic, r.partition, _shown(r.committed), r.begin, r.end, r.verdict or "") for r in rows],
        )
    if not all(row.usable for row in rows):
        raise typer.Exit(2)


@app.command()
def reset(
    hop: Annotated[str, typer.Argument(help="The hop, such as `ingest`.")],
    partition: Annotated[int | None, typer.Option(min=0, max=255, help="Only this partition number.")] = None,
    to: Annotated[
        str | None, typer.Option(help="`beginning` or `end` of what the logs hold, for partitions that cannot go on.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be set.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a hop go on in logs that were made anew, cut, or deleted by retention. Its processes must be stopped.

    A partition that can be read on keeps its offset. Without --to, a hop goes on at the beginning of a topic that was
    made anew and after what retention has deleted, and at the end of a log that has lost records.

    Example: driftline offsets reset ingest --partition 1
    """
    from driftline.operations.reset_offsets import Target
    from driftline.operations.reset_offsets import reset as reset_offsets

    if to is not None and to not in set(Target):
        raise typer.BadParameter(f"{to!r} is neither `beginning` nor `end`", param_hint="--to")
    target = None if to is None else Target(to)
    done = reset_offsets(installed_settings(), hop, partition, target, write=not dry_run)
    if as_json:
        print_json(done)
        return
    print_table(
        "would be set" if dry_run else "set",
        ["topic", "#partition", "state", "#before", "#after"],
        [(r.topic, r.partition, r.verdict, _shown(r.before), r.after) for r in done],
    )


def _shown(offset: int | None) -> int | str:
    return "" if offset is None else offset

"""`driftline demo`: the whole pipeline on this machine, in a few minutes."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.settings_sources import load
from driftline.cli.options import MOST

_INTERRUPTED = 130


def demo(
    source: Annotated[
        Path | None, typer.Option(help="A file of tweets to run on (JSON lines, JSON, CSV; .gz, .zst, tar).")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=5, max=86_400, help="How long to feed events, in seconds of wall clock.")
    ] = 150,
    seed: Annotated[
        int, typer.Option(min=0, max=MOST, help="Seed of the simulated world, or of a file's viewers.")
    ] = 1,
    workers: Annotated[int, typer.Option(min=1, max=2, help="Stream workers to run.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Also write the summary to this file, as JSON.")] = None,
    no_text: Annotated[bool, typer.Option("--no-text", help="Show ids in place of texts, names and tags.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder with data and logs.")] = False,
) -> None:
    """Run the whole pipeline on this machine and show what it learned.

    Starts a fresh Kafka and Redis (or uses those of DRIFTLINE_KAFKA and DRIFTLINE_REDIS), a stream worker, the
    trainer and the scorer. Feeds a simulated world, or your file with simulated viewers. Then drains, stops
    everything and prints a summary. Ctrl-C drains too. Takes under five minutes.

    Texts of the data set of troll accounts are never shown, whatever the name of the file.

    Example: driftline demo --source tweets.csv.gz --json summary.json
    """
    import msgspec

    from driftline.console_tables import console
    from driftline.demo import report
    from driftline.demo.run import Interrupted, Options, run

    options = Options(source=source, seconds=seconds, seed=seed, workers=workers, texts=not no_text, keep=keep)
    try:
        result = run(load(), options, console)
    except (Interrupted, KeyboardInterrupt) as error:
        typer.echo(f"interrupted: {str(error) or 'nothing was fed'}", err=True)
        raise typer.Exit(_INTERRUPTED) from error
    report.show(result)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2))
        typer.echo(f"summary written to {json}")

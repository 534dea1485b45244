"""`driftline status`: what runs, how far it is, and what is waiting for what."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli.common import installed_settings, print_json
from driftline.cli.options import AsJson
from driftline.console_tables import console, print_table, when

if TYPE_CHECKING:
    from driftline.inspect.status import Status

_EVERY_S = 2.0


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 2 seconds, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which processes run and how far each is, event time by partition, the newest model, and what waits.

    Example: driftline status --watch
    """
    from driftline.inspect import status as looks

    settings = installed_settings("kafka")
    try:
        while True:
            found = looks.status(settings, int(time.time() * 1000))
            if as_json:
                print_json(found)
            else:
                if watch:
                    console.clear()
                _show(found)
            if not watch:
                return
            time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        return


def _show(found: "Status") -> None:
    trainer = {True: "1", False: "0", None: "?"}[found.trainer]
    rows = [(hop.hop, hop.running, f"{hop.behind:,}") for hop in found.hops]
    print_table(
        "processes",
        ["reads", "#running", "#records behind"],
        [*rows, ("trainer", trainer, f"{found.trainer_behind:,}")],
    )
    print_table(
        f"event time: {found.time}",
        ["topic", "#partition", "has reached"],
        [(of.topic, of.partition, when(of.at_ms)) for of in found.reached],
    )
    if found.model is not None:
        model = found.model
        console.print(
            f"newest model: {model.name} {model.version}, {model.age_s:,.0f} s old, {model.examples_seen:,} examples",
            markup=False,
        )
    for line in found.waiting or ["nothing waits for anything"]:
        console.print(f"- {line}", markup=False)

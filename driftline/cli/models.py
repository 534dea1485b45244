"""`driftline models`: published models."""

from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli.backfill import backfill
from driftline.cli.common import current_settings, print_json
from driftline.cli.options import MOST, AsJson
from driftline.console_tables import number, print_table, when

if TYPE_CHECKING:
    from contracts.records import ModelPublished

app = typer.Typer(
    name="models",
    help="Look at published models, and score the past with them.\n\nExample: driftline models list",
    no_args_is_help=True,
)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List every published version with its progressive figures: predict first, then learn.

    RCE (relative cross entropy) says how much lower the log-loss is than that of the base rate, in percent.

    Example: driftline models list --json
    """
    from driftline.inspect import models

    found = list(models.read_models(current_settings("kafka")))
    if as_json:
        print_json(found)
        return
    columns = ["model", "#version", "published", "#examples", "#vocabulary", "#bins"]
    columns += ["#log-loss", "#RCE", "#PR-AUC", "#calibration", "provenance"]
    print_table("published models", columns, [_row(model) for model in found])


@app.command()
def show(
    version: Annotated[int | None, typer.Argument(min=0, max=MOST, help="The version; default: the newest.")] = None,
    name: Annotated[str | None, typer.Option(help="The model's name; default: that of the settings.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show one published model: its snapshot, its vocabulary and bins versions, and what it has learned from.

    Example: driftline models show 12
    """
    from driftline.inspect import models

    settings = current_settings()
    found = models.find_model(settings, name or settings.scorer.model, version)
    if as_json:
        print_json(found)
        return
    rows: list[tuple[str, object]] = [
        ("name", found.name),
        ("version", found.version),
        ("epoch (trainer's term)", found.epoch),
        ("snapshot", found.path),
        ("published", when(found.published_ms)),
        ("vocabulary version", found.vocab_version),
        ("bins version", found.bins_version),
        ("examples seen", f"{found.examples_seen:,}"),
        ("learned before offsets", ", ".join(f"{p}: {offset}" for p, offset in sorted(found.offsets.items()))),
    ]
    if found.evaluation:
        figures = ("examples", "base_rate", "log_loss", "rce", "pr_auc", "calibration_error")
        rows += [(f"evaluation: {figure}", getattr(found.evaluation, figure)) for figure in figures]
        rows += [(f"evaluated on: {name}", f"{count:,}") for name, count in found.evaluation.provenance.items()]
    print_table("model", ["", "value"], rows)


def _row(model: "ModelPublished") -> tuple[object, ...]:
    known = (
        model.name,
        model.version,
        when(model.published_ms),
        f"{model.examples_seen:,}",
        model.vocab_version,
        model.bins_version,
    )
    evaluation = model.evaluation
    if evaluation is None:
        return (*known, *("-",) * 5)
    return (
        *known,
        number(evaluation.log_loss),
        number(evaluation.rce, 2),
        number(evaluation.pr_auc),
        number(evaluation.calibration_error),
        ", ".join(evaluation.provenance) or "-",
    )


app.command()(backfill)

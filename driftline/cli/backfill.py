"""`driftline models backfill`: score past examples with one snapshot, and compare with the served scores."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from driftline.cli.common import current_settings, print_json
from driftline.cli.options import MOST, AsJson, time_ms
from driftline.console_tables import number, print_table, when

if TYPE_CHECKING:
    from contracts.records import Evaluation
    from driftline.inspect.backfill_report import Group, Parity, Report

_INTERRUPTED = 130


def backfill(
    version: Annotated[int | None, typer.Argument(min=0, max=MOST, help="The version; default: the newest.")] = None,
    name: Annotated[str | None, typer.Option(help="The model's name; default: that of the settings.")] = None,
    since: Annotated[str | None, typer.Option(help="Only impressions from this event time on.")] = None,
    until: Annotated[str | None, typer.Option(help="Only impressions before this event time.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the scores to this Parquet file: one row per example.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score the whole log of examples with one snapshot, and compare with the scores that were served.

    Shows the snapshot's figures on all examples, on those it has learned from, and on those it has not; only the last
    is a fair test. Beside each stand the figures of the scores served then, over the same examples. RCE is in
    percent, as in `driftline models list`.

    Then parity: how many of the scores that this version served come out with the same bits. If any differ, the first
    few are listed and the exit status is 1. Examples do not name their model: an example belongs to this version if
    its versions of model, vocabulary and bins match. Two models that agree in all three cannot be distinguished here.

    A time is written as 2026-01-31T12:00, in UTC unless it has an offset, or as milliseconds since 1970. Unusable
    records are counted by reason. Run it where the trainer or a scorer runs: it needs the snapshot's folder.

    Example: driftline models backfill 12 --since 2026-01-31 --out scores.parquet
    """
    from driftline.inspect import backfill as backfills
    from driftline.inspect.rescoring import Span

    settings = current_settings()
    span = Span(time_ms("--since", since), time_ms("--until", until))
    try:
        with _bar() as on_progress:
            predictor = backfills.load_predictor(settings, name or settings.scorer.model, version)
            report = backfills.backfill(settings, predictor, span, out, on_progress)
    except KeyboardInterrupt as error:
        typer.echo("interrupted: nothing was written", err=True)
        raise typer.Exit(_INTERRUPTED) from error
    if as_json:
        print_json(report)
    else:
        _show(report)
        if out:
            typer.echo(f"{report.examples:,} scores written to {out}")
    if not report.parity.holds:
        raise typer.Exit(1)


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A progress bar over offsets, if standard error is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("offsets of examples"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda passed, total: bar.update(task, completed=passed, total=total)


def _show(report: "Report") -> None:
    span = (
        f"event time {when(report.first_ms)} to {when(report.last_ms)}"
        if report.first_ms is not None and report.last_ms is not None
        else "no example to score"
    )
    print(f"{report.name} version {report.version} on {report.examples:,} examples, {span}")
    print(f"provenance: {', '.join(f'{count:,} {name}' for name, count in report.provenance.items()) or '-'}")
    if report.examples:
        _show_figures(report)
    if report.fallback:
        print(f"not ranked by a model: {report.fallback:,} that a fallback order served, without scores")
    if report.outside:
        print(f"not looked at: {report.outside:,} examples of other times")
    if report.unusable:
        print_table(
            "records that cannot be scored",
            ["reason", "#records", "first at", "detail"],
            [(u.reason, f"{u.records:,}", f"{u.partition}, {u.offset}", u.detail) for u in report.unusable],
        )
    _show_parity(report.parity)


def _show_figures(report: "Report") -> None:
    print_table(
        "figures",
        ["examples", "scored by", "#examples", "#base rate", "#log-loss", "#RCE", "#PR-AUC", "#calibration"],
        [
            row
            for title, group in (
                ("all", report.all),
                ("learned from", report.learned_from),
                ("not learned from: a fair test", report.held_out),
            )
            for row in _rows(title, group)
        ],
    )


def _rows(title: str, group: "Group") -> Iterator[tuple[str, ...]]:
    """This snapshot on the whole group, if a model did not rank all of it. Then both on what a model ranked."""
    ranked = group.ranked_by_a_model
    if group.examples > ranked.examples:
        yield (title, "this snapshot", f"{group.examples:,}", *_figures(group.this_snapshot))
        title = "of these, ranked by a model"
    if ranked.examples:
        count = f"{ranked.examples:,}"
        yield (title, "served then", count, *_figures(ranked.served_then))
        yield ("", "this snapshot", count, *_figures(ranked.this_snapshot))


def _figures(found: "Evaluation | None") -> tuple[str, ...]:
    if found is None:
        return ("-",) * 5
    return (
        number(found.base_rate),
        number(found.log_loss),
        number(found.rce, 2),
        number(found.pr_auc),
        number(found.calibration_error),
    )


def _show_parity(parity: "Parity") -> None:
    print(parity.sentence())
    if parity.others:
        print(
            f"not compared: {parity.others:,} that name version {parity.version} with another vocabulary or bins: "
            "another model, or another term of the trainer, served them"
        )
    if parity.differences:
        print_table(
            "the first that differ",
            ["request", "#tweet", "at", "#served", "#now"],
            [
                (d.request_id, d.tweet_id, f"{d.partition}, {d.offset}", f"{d.served:.9g}", f"{d.now:.9g}")
                for d in parity.differences
            ],
        )

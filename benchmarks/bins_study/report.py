"""Prints the figures of the study: one table per stream."""

from rich.console import Console
from rich.table import Table

from benchmarks.bins_study.learner import RATES
from benchmarks.bins_study.run import StreamFigures
from benchmarks.bins_study.stream import MONTH

WIDTH = 130  # of the tables, if the output is not a terminal

_HEAD = ("log-loss, nats", "rolling bins save", "best rate", *(f"at {rate:g}" for rate in RATES))


def summary(found: StreamFigures) -> str:
    """The data that was measured, and the best possible loss, in words."""
    text = (
        f"First month: {MONTH} days from {found.first}. Measured: {found.examples:,} examples, {found.months[0]} to "
        f"{found.months[-1]}; {found.base_rate:.1%} are positive. {len(found.features)} features, whose edges were "
        f"published {len(found.edge_changes):,} times."
    )
    if found.truth_loss is not None:
        text += (
            f" The true probabilities have a log-loss of {found.truth_loss:.4f} (mean entropy {found.entropy:.4f}): "
            "no model can have less, but by chance."
        )
    return text


def print_tables(streams: list[StreamFigures]) -> None:
    """Print the tables on standard output."""
    console = Console(width=None if Console().is_terminal else WIDTH)
    for found in streams:
        table = Table("", title=found.name, title_justify="left")
        for label in _HEAD:
            table.add_column(label, justify="right")
        for name, values in _rows(found):
            table.add_row(name, *values)
        console.print(table)
        console.print(summary(found))


def as_markdown(streams: list[StreamFigures]) -> str:
    """The tables as Markdown."""
    parts = []
    for found in streams:
        lines = [
            f"| {found.name} | " + " | ".join(_HEAD) + " |",
            "|---|" + "---:|" * len(_HEAD),
            *(f"| {name} | " + " | ".join(values) + " |" for name, values in _rows(found)),
        ]
        parts += ["\n".join(lines), summary(found)]
    return "\n\n".join(parts)


def _rows(found: StreamFigures) -> list[tuple[str, list[str]]]:
    rows = []
    for place, each in enumerate(found.encodings):
        saved = f"{each.gain:+.4f} ± {2 * each.error:.4f}" if place else "-"
        by_rate = [f"{loss:.4f}" for loss in each.by_rate]
        rows.append((each.name, [f"{each.loss:.4f}", saved, f"{each.rate:g}", *by_rate]))
    return rows

"""Prints the figures of the study: one table per capacity."""

import math
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from benchmarks.vocab_drift.figures import WITHIN_MINUTES, Admitted, MethodFigures, Recall, StudyFigures

_NONE = "-"
_MIB = 1 << 20
WIDTH = 130  # of the tables, if the output is not a terminal

Rows = list[tuple[str, list[str]]]


def summary(found: StudyFigures) -> str:
    """The data that was read, in words."""
    return (
        f"{found.tweets:,} tweets in {found.windows:,} windows of {found.window_minutes:g} min, half-life "
        f"{found.half_life_hours:g} hours, admitted at {found.admit_at:g}, evicted below {found.evict_below:g}. "
        f"{found.keys:,} distinct keys. The fixed vocabulary is of {found.built_in}; measured: {found.months[0]} to "
        f"{found.months[-1]}. Of {found.top:,} top new hashtags {found.crossed:,} reached the threshold."
    )


def print_tables(found: StudyFigures) -> None:
    """Print the tables on standard output."""
    console = Console(width=None if Console().is_terminal else WIDTH)
    console.print(summary(found))
    for capacity in _capacities(found):
        table = Table("", title=f"capacity {capacity:,}", title_justify="left")
        methods = _methods(found, capacity)
        for method in methods:
            table.add_column(method.method, justify="right")
        for label, values in _rows(methods):
            table.add_row(label.replace("**", ""), *values)
        console.print(table)


def as_markdown(found: StudyFigures) -> str:
    """The tables as Markdown."""
    parts = [summary(found)]
    for capacity in _capacities(found):
        methods = _methods(found, capacity)
        lines = [
            f"| capacity {capacity:,} | " + " | ".join(method.method for method in methods) + " |",
            "|---|" + "---:|" * len(methods),
            *(f"| {label} | " + " | ".join(values) + " |" for label, values in _rows(methods)),
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _capacities(found: StudyFigures) -> list[int]:
    return list(dict.fromkeys(method.capacity for method in found.methods if method.capacity is not None))


def _methods(found: StudyFigures, capacity: int) -> list[MethodFigures]:
    return [method for method in found.methods if method.capacity in (None, capacity)]


def _rows(methods: list[MethodFigures]) -> Rows:
    """(label, value for each method) of every row; a dash if the figure does not apply to the method."""

    def row(label: str, value: Callable[[MethodFigures], str | None]) -> tuple[str, list[str]]:
        return label, [value(method) or _NONE for method in methods]

    def recall(value: Callable[[Recall], str]) -> Callable[[MethodFigures], str | None]:
        return lambda m: value(m.recall) if m.recall else None

    def within(minutes: int) -> Callable[[MethodFigures], str | None]:
        return recall(lambda found: _percent(found.within[minutes]))

    def admitted(value: Callable[[Admitted], str]) -> Callable[[MethodFigures], str | None]:
        return lambda m: value(m.admitted) if m.admitted else None

    return [
        row("rows of the table", lambda m: f"{m.rows:,}"),
        row("most keys admitted at a time", lambda m: f"{m.most_admitted:,}" if m.most_admitted else None),
        row(
            "**new hashtags** admitted with the window that crosses",
            recall(lambda found: _percent(found.same_window)),
        ),
        *(row(f"... at most {_minutes(minutes)} after crossing", within(minutes)) for minutes in WITHIN_MINUTES),
        row("... median delay, minutes", recall(lambda found: _number(found.median_minutes))),
        row("... no other live key in their row (pair)", lambda m: _bounded(m, _percent(m.tags_alone))),
        row("... none in either row of the pair", lambda m: _pair(m, _percent(m.tags_each_alone))),
        row("... no other key, live or dead, ever in the row", lambda m: _bounded(m, _percent(m.tags_clean))),
        row("**hashtags admitted**", admitted(lambda found: f"{found.hashtags:,}")),
        row("... falsely: below the threshold", admitted(lambda found: f"{found.false_hashtags:,}")),
        row("... evicted within a day", admitted(lambda found: _percent(found.brief_hashtags))),
        row("**keys of all kinds admitted**", admitted(lambda found: f"{found.keys:,}")),
        row("... falsely: below the threshold", admitted(lambda found: f"{found.false_keys:,}")),
        row("... evicted within a day", admitted(lambda found: _percent(found.brief_keys))),
        row("**token occurrences** whose key has a row of its own", lambda m: _percent(m.own) if m.own else None),
        row("... no other live key in the row (pair)", lambda m: _bounded(m, _percent(m.alone))),
        row("... none in either row of the pair", lambda m: _pair(m, _percent(m.each_alone))),
        row("... no other key, live or dead, ever in the row", lambda m: _bounded(m, _percent(m.clean))),
        row("... other live keys in the row, mean", lambda m: _bounded(m, f"{m.others:.2f}")),
        row("**memory** of counting, MiB", lambda m: f"{m.counting_bytes / _MIB:.2f}"),
        row("... of the table that is looked up in, MiB", lambda m: _bounded(m, f"{m.table_bytes / _MIB:.2f}")),
    ]


def _bounded(method: MethodFigures, value: str) -> str | None:
    """None for the exact counter: it has rows only for admitted keys, and as many as needed."""
    return value if method.capacity else None


def _pair(method: MethodFigures, value: str) -> str | None:
    return value if method.method == "two hashes" else None


def _percent(share: float) -> str:
    """A share in percent, rounded down, so that only 1 is 100%."""
    return f"{math.floor(share * 1_000) / 10:.1f}%"


def _number(value: float | None) -> str:
    return "never" if value is None else f"{value:,.0f}"


def _minutes(minutes: int) -> str:
    return "a day" if minutes == 1_440 else f"{minutes} min"

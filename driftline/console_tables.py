"""Tables, times and numbers as the commands print them for people."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

_WIDTH = 120  # columns, when the output is a file or a pipe

console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)


def when(at_ms: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def plain(text: str) -> str:
    """Untrusted text on one line, without control characters: a tweet must not move the cursor."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Group:
    """A title over a table. A column whose header begins with `#` is aligned to the right, for numbers."""
    result = Table(header_style="bold", box=None)
    for column in columns:
        result.add_column(
            column.removeprefix("#"), justify="right" if column.startswith("#") else "left", overflow="fold"
        )
    for row in rows:
        result.add_row(*(Text(plain("" if cell is None else str(cell))) for cell in row))
    return Group(Text(plain(title), style="bold"), result)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print `table(...)` on standard output."""
    console.print(table(title, columns, rows))


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` decimals, or a dash for None."""
    return "-" if value is None else f"{value:,.{digits}f}"

"""Tables, times and numbers as the commands print them for people.

Ids, times and other single words are never split: where they do not fit, lines are longer than the terminal, which
wraps them. Texts are wrapped between words. What goes to a file or a pipe has no padding, and is as wide as it needs
to be, or as COLUMNS says.
"""

import io
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_LONGEST_WORD = 64  # a longer one is text
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_UNBOUNDED = 10_000  # columns: no line is wrapped

console = Console(
    highlight=False,
    width=None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else _UNBOUNDED,
)


def when(at_ms: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def plain(text: str) -> str:
    """Untrusted text on one line, without control characters: a tweet must not move the cursor."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Group:
    """A title over a table. A column whose header begins with `#` is aligned to the right, for numbers."""
    cells = [[plain("" if cell is None else str(cell)) for cell in row] for row in rows]
    result = Table(header_style="bold", box=None)
    for place, column in enumerate(columns):
        of_column = [row[place] for row in cells]
        whole = _is_unsplittable(of_column)
        result.add_column(
            column.removeprefix("#"),
            justify="right" if column.startswith("#") else "left",
            overflow="fold",
            no_wrap=whole,
            min_width=max(map(len, of_column), default=0) if whole else None,
        )
    for row in cells:
        result.add_row(*map(Text, row))
    return Group(Text(plain(title), style="bold"), result)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print `table(...)` on standard output."""
    print_part(table(title, columns, rows))


def print_part(part: RenderableType) -> None:
    """Print tables and texts on standard output, as wide as unsplittable columns need, without padding."""
    unbounded = console.options.update(max_width=_UNBOUNDED)
    least = Measurement.get(console, unbounded, part).minimum
    drawn = Console(
        file=io.StringIO(),
        width=max(console.width, least),
        force_terminal=console.is_terminal,
        highlight=False,
        color_system="auto" if console.is_terminal else None,
    )
    drawn.print(part)
    text = drawn.file.getvalue()  # type: ignore[attr-defined]
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in text.splitlines()))


def _is_unsplittable(cells: Sequence[str]) -> bool:
    """Whether a column is of ids, numbers, times or single words."""
    return all(len(cell) <= _LONGEST_WORD and (" " not in cell or _TIME.fullmatch(cell)) for cell in cells)


def number(value: float | None, digits: int = 4) -> str:
    """A number with `digits` decimals, or a dash for None."""
    return "-" if value is None else f"{value:,.{digits}f}"

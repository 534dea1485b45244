"""Counts of windows that not every source has closed yet, in memory up to a bound and spilled beyond it.

A source that stands still keeps all windows of the others waiting, and every one of them adds rows. Once there are
too many, the windows that are decided last are packed into parts, for the caller to store, and taken back when they
are due. Counts that come for a spilled window meanwhile are held beside it, and added up at the end: sums do not
depend on when a window was spilled.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

MOST_PART_ROWS = 1 << 15  # some 30 bytes each: a part is far below the largest record


class Window(Protocol):
    """The counts of one window."""

    @property
    def rows(self) -> int:
        """How many rows it holds in memory."""
        ...

    def sum_up(self) -> None:
        """Add up rows that belong together."""
        ...

    def to_parts(self) -> list[bytes]:
        """All its rows, at most MOST_PART_ROWS in a part."""
        ...

    def add_part(self, data: bytes) -> None:
        """Add the rows of a part."""
        ...


WindowT = TypeVar("WindowT", bound=Window)


class Spilled(NamedTuple):
    """What of a window is stored: its parts are numbered from 0. rows: of all parts."""

    parts: int
    rows: int


class Part(NamedTuple):
    """One part of a window, as it is stored."""

    window: int
    number: int
    data: bytes


class PendingWindows(Generic[WindowT]):
    """held: window -> counts in memory. spilled: window -> what is stored of it. A window may have both."""

    def __init__(self, make: Callable[[], WindowT]) -> None:
        self._make = make
        self.held: dict[int, WindowT] = {}
        self.spilled: dict[int, Spilled] = {}

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.held.keys() | self.spilled.keys()))

    def __len__(self) -> int:
        return len(self.held.keys() | self.spilled.keys())

    @property
    def rows(self) -> int:
        """Rows in memory."""
        return sum(window.rows for window in self.held.values())

    def open(self, window: int) -> WindowT:
        """The counts of a window, to add to."""
        if window not in self.held:
            self.held[window] = self._make()
        return self.held[window]

    def pop(self, window: int) -> WindowT:
        """Everything counted in a window, which is decided now. Raises `ValueError` for one that is still spilled."""
        if window in self.spilled:
            raise ValueError(f"window {window} is decided before its spilled counts were taken back")
        return self.held.pop(window)

    def spill(self, most: int) -> list[Part]:
        """Drop windows from memory, the latest first, until it holds at most `most` rows. They must be stored."""
        for counts in self.held.values():
            counts.sum_up()
        parts = []
        rows = self.rows
        for window in sorted(self.held, reverse=True):
            if rows <= most:
                break
            counts = self.held.pop(window)
            rows -= counts.rows
            former = self.spilled.get(window, Spilled(0, 0))
            packed = counts.to_parts()
            parts += [Part(window, former.parts + number, data) for number, data in enumerate(packed)]
            self.spilled[window] = Spilled(former.parts + len(packed), former.rows + counts.rows)
        return parts

    def due(self, closed_through: int, most: int) -> list[list[int]]:
        """The spilled windows up to `closed_through`, ascending, in runs of at most `most` rows, or of one window."""
        runs: list[list[int]] = []
        rows = most
        for window in sorted(window for window in self.spilled if window <= closed_through):
            rows += self.spilled[window].rows
            if rows > most:
                runs.append([])
                rows = self.spilled[window].rows
            runs[-1].append(window)
        return runs

    def take_back(self, window: int, parts: Sequence[bytes]) -> None:
        """Hold a spilled window in memory again. Raises `ValueError` unless these are all its parts."""
        if len(parts) != self.spilled[window].parts:
            raise ValueError(f"window {window} was spilled in {self.spilled[window].parts} parts, not {len(parts)}")
        counts = self.open(window)
        for data in parts:
            counts.add_part(data)
        del self.spilled[window]

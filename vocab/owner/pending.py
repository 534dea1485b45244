"""Counts of a window that is not closed yet, summed as they come. Their order does not matter."""

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import I64, U8, U16, U64
from contracts.codec import Codec, serialize
from contracts.frames import Frame
from eventtime.pending_windows import MOST_PART_ROWS
from vocab.owner.spellings import Spellings

_SLACK_ROWS = 1 << 16  # rows held before they are summed again


class _Part(Frame, frozen=True, kw_only=True):
    """Some rows of a window's sums, and some of its spellings."""

    keys: U64
    languages: U16
    namespaces: U8
    counts: U64
    spelled_keys: U64
    spelled_tokens: list[str]


_part = Codec(_Part).deserialize


class PendingWindow:
    """One open window's sums by key and language, and the spellings that came with them."""

    def __init__(self) -> None:
        self._parts: list[tuple[U64, U16, U8, U64]] = []
        self._rows = 0
        self._summed_rows = 0
        self.spellings = Spellings()

    def add(self, keys: U64, languages: U16, namespaces: U8, counts: NDArray[np.unsignedinteger]) -> None:
        """Adds counts[i] to (keys[i], languages[i]). Holds at most twice as many rows as are
        distinct, and `_SLACK_ROWS` more."""
        self._parts.append((keys, languages, namespaces, counts.astype(np.uint64)))
        self._rows += len(keys)
        if self._rows > 2 * self._summed_rows + _SLACK_ROWS:
            self.by_language()

    @property
    def rows(self) -> int:
        """Rows held; the same key and language may have several until they are summed."""
        return self._rows

    def sum_up(self) -> None:
        """See `eventtime.pending_windows.Window`."""
        self.by_language()

    def to_parts(self) -> list[bytes]:
        """See `eventtime.pending_windows.Window`."""
        columns, keys = self.by_language(), self.spellings.keys
        tokens = self.spellings.of(keys)
        parts = []
        for begin in range(0, max(len(columns[0]), len(keys)), MOST_PART_ROWS):
            rows = slice(begin, begin + MOST_PART_ROWS)
            part = _Part(
                keys=columns[0][rows],
                languages=columns[1][rows],
                namespaces=columns[2][rows],
                counts=columns[3][rows],
                spelled_keys=keys[rows],
                spelled_tokens=tokens[rows],
            )
            parts.append(serialize(part))
        return parts

    def add_part(self, data: bytes) -> None:
        """See `eventtime.pending_windows.Window`."""
        part = _part(data)
        self.add(part.keys, part.languages, part.namespaces, part.counts)
        self.spellings.learn(part.spelled_keys, part.spelled_tokens)

    def by_language(self) -> tuple[U64, U16, U8, U64]:
        """(keys, languages, namespaces, sums): each (key, language) once, by key, then language."""
        if not self._parts:
            return np.empty(0, np.uint64), np.empty(0, np.uint16), np.empty(0, np.uint8), np.empty(0, np.uint64)
        if len(self._parts) == 1 and self._rows == self._summed_rows:
            return self._parts[0]
        keys, languages, namespaces, counts = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.lexsort((languages, keys))
        keys, languages = keys[order], languages[order]
        starts = _starts(keys, languages)
        summed = (
            keys[starts],
            languages[starts],
            # Two namespaces of one key mean a collision of 64-bit hashes: the lower one counts, in any order.
            np.minimum.reduceat(namespaces[order], starts) if len(starts) else namespaces,
            np.add.reduceat(counts[order], starts) if len(starts) else counts,
        )
        self._parts = [summed]
        self._rows = self._summed_rows = len(starts)
        return summed

    def columns(self) -> tuple[U64, U8, U64]:
        """(keys ascending and distinct, namespaces, sums), of all languages together."""
        keys, _, namespaces, counts = self.by_language()
        starts = _starts(keys)
        if not len(starts):
            return keys, namespaces, counts
        return keys[starts], np.minimum.reduceat(namespaces, starts), np.add.reduceat(counts, starts)


def _starts(*columns: NDArray[np.unsignedinteger]) -> I64:
    """The rows of sorted columns that differ from the row before."""
    first = np.ones(len(columns[0]), bool)
    first[1:] = False
    for column in columns:
        first[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(first)

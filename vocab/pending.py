"""Counts of windows that are not closed yet, summed as they come, to the same sums in any order."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
U8 = NDArray[np.uint8]

_SLACK_ROWS = 1 << 16  # rows held before they are summed again


class PendingWindow:
    """One open window's sums by key, and the spellings that came with them."""

    def __init__(self) -> None:
        self._parts: list[tuple[U64, U8, U64]] = []
        self._rows = 0
        self._summed_rows = 0
        self.spellings: dict[int, str] = {}

    def add(self, keys: U64, namespaces: U8, counts: NDArray[np.unsignedinteger]) -> None:
        """Adds counts[i] to keys[i]. At most twice the distinct keys (and a little) are held."""
        self._parts.append((keys, namespaces, counts.astype(np.uint64)))
        self._rows += len(keys)
        if self._rows > 2 * self._summed_rows + _SLACK_ROWS:
            self.columns()

    def spell(self, keys: Iterable[int], tokens: Iterable[str]) -> None:
        """Remembers spellings."""
        remember(self.spellings, zip(keys, tokens, strict=True))

    def columns(self) -> tuple[U64, U8, U64]:
        """(keys ascending and distinct, namespaces, sums)."""
        if not self._parts:
            return np.empty(0, np.uint64), np.empty(0, np.uint8), np.empty(0, np.uint64)
        keys, namespaces, counts = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        first = np.ones(len(keys), bool)
        np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
        starts = np.flatnonzero(first)
        summed = (
            ordered[starts],
            # Two namespaces of one key mean a collision of 64-bit hashes: then the lower, in any order.
            np.minimum.reduceat(namespaces[order], starts) if len(starts) else namespaces,
            np.add.reduceat(counts[order], starts) if len(starts) else counts,
        )
        self._parts = [summed]
        self._rows = self._summed_rows = len(starts)
        return summed


def remember(spellings: dict[int, str], more: Iterable[tuple[int, str]]) -> None:
    """Adds (key, token) pairs. Of two spellings of one key, a collision of 64-bit hashes, the lower stays."""
    for key, token in more:
        known = spellings.get(key)
        if known is None or token < known:
            spellings[key] = token

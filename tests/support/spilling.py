"""Spills an owner's windows and takes them back, as its processor does, without a topic to store them in."""

from collections import defaultdict
from typing import Any


class Stored:
    """The parts of spilled windows, in the order in which they were spilled."""

    def __init__(self) -> None:
        self._parts: dict[int, list[bytes]] = defaultdict(list)

    def spill(self, owner: Any, most: int) -> None:
        """Spill until the owner holds at most `most` rows."""
        for part in owner.pending.spill(most):
            assert part.number == len(self._parts[part.window])
            self._parts[part.window].append(part.data)
        assert owner.pending.rows <= most

    def take_back(self, owner: Any, windows: list[int]) -> None:
        for window in windows:
            owner.pending.take_back(window, self._parts.pop(window))

    def close_windows(self, owner: Any, most: int = 50) -> list[Any]:
        """The owner's decisions; what was spilled is taken back in runs of at most `most` rows."""
        made = []
        for windows in owner.pending.due(owner.closed_through, most):
            self.take_back(owner, windows)
            made += owner.close_windows(windows[-1])
        return made + owner.close_windows()

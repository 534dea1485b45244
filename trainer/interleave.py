"""One order over the partitions of `examples`: by event time, as far as that can be known.

The next record is the one with the smallest (event time of its last row, partition) among the heads of all
partitions. A partition without a head holds the others up until it is known to be read to its end. So behind the end
of the log (a backlog, a replay, a resume) the order is a function of the log alone; at its end, that of arrival.
"""

from collections import deque
from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class Interleave(Generic[ItemT]):
    """Merges the partitions; items of one partition keep their order."""

    def __init__(self, partitions: Iterable[int]) -> None:
        self._heads: dict[int, deque[tuple[int, ItemT]]] = {partition: deque() for partition in sorted(partitions)}

    def offer(self, partition: int, at_ms: int, item: ItemT) -> None:
        """The next item of one partition."""
        self._heads[partition].append((at_ms, item))

    def take(self, at_end: Collection[int]) -> ItemT | None:
        """The next item of all; None if a partition that is not in `at_end` has nothing to compare with."""
        best: tuple[int, int] | None = None
        for partition, items in self._heads.items():
            if items:
                candidate = (items[0][0], partition)
                best = candidate if best is None else min(best, candidate)
            elif partition not in at_end:
                return None
        return None if best is None else self._heads[best[1]].popleft()[1]

    def waiting(self, partition: int) -> int:
        """How many items of a partition are held."""
        return len(self._heads[partition])

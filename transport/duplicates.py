"""Finds repeated records by their identity, over the last `horizon` offsets of their partition.

The result depends on the log alone: after a restart, re-reading that many offsets rebuilds the identities.
"""

from collections.abc import Hashable, Sequence


class RecentIdentities:
    """The identities (any hashable values) that occurred in the last `horizon` offsets."""

    def __init__(self, horizon: int) -> None:
        self.horizon = horizon
        self._last_offset: dict[Hashable, int] = {}  # in ascending order of offset: a repeat moves to the end

    def __len__(self) -> int:
        return len(self._last_offset)

    def repeats(self, identities: Sequence[Hashable], offsets: Sequence[int]) -> list[bool]:
        """For each event of a batch, in order: whether its identity occurred within the horizon before it."""
        last = self._last_offset
        result = []
        for identity, offset in zip(identities, offsets, strict=True):
            seen = last.pop(identity, None)
            last[identity] = offset
            result.append(seen is not None and offset - seen < self.horizon)
        if offsets:
            self._forget_before(offsets[-1] - self.horizon)
        return result

    def _forget_before(self, offset: int) -> None:
        old = []
        for identity, seen in self._last_offset.items():
            if seen > offset:
                break
            old.append(identity)
        for identity in old:
            del self._last_offset[identity]

    def rebuild_from(self, committed: int) -> int:
        """The offset to re-read from, so that records from `committed` on get the same answers as before."""
        return max(0, committed - self.horizon)

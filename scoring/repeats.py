"""Requests that came twice are answered once: recognized over the last `horizon` offsets of their partition.

A function of the log alone: after a restart the requests of the last `horizon` offsets are read again.
"""

from collections import OrderedDict


class RecentRequests:
    """Which requests the last `horizon` offsets of one partition held, by viewer and request id."""

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._last_offset: OrderedDict[tuple[int, str], int] = OrderedDict()  # ascending: a repeat moves to the end

    def __len__(self) -> int:
        return len(self._last_offset)

    def is_repeat(self, viewer_id: int, request_id: str, offset: int) -> bool:
        """Whether the request was there less than `horizon` offsets ago; from now on it was. Offsets ascend."""
        self._forget_through(offset - self._horizon)
        identity = (viewer_id, request_id)
        seen = self._last_offset.pop(identity, None)
        self._last_offset[identity] = offset
        return seen is not None

    def rebuild_from(self, committed: int) -> int:
        """The offset to re-read from so that everything from `committed` on is judged as before."""
        return max(0, committed - self._horizon)

    def _forget_through(self, offset: int) -> None:
        while self._last_offset:
            oldest = next(iter(self._last_offset))
            if self._last_offset[oldest] > offset:
                return
            del self._last_offset[oldest]

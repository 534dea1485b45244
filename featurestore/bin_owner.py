"""The one owner of the bins: adds up counts, and decides when a window has closed at every source which edges change.

The rolling window is kept as panes of several windows each, so state stays small: edges are taken over the last
`rolling_windows`, rounded to panes. A feature's edges are published when it first has `minimum_values`, and again
when its values' distribution is further than `moved` (Kolmogorov-Smirnov) from that of the last publication. Which
windows get a record is `vocab.schedule`'s rule. All of it is a function of the counts alone: how they were batched
and when `close_windows` is called change nothing.
"""

from collections.abc import Mapping
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from contracts.errors import BadRecord
from contracts.frames import BinCounts
from contracts.records import BinsVersion
from contracts.settings import BinSettings
from featurestore.bin_edges import Sketch, equal_mass_edges, ks_distance
from featurestore.bin_state import BinState, Tally, pack, unpack
from featurestore.bins import check_bins
from featurestore.features import CONTINUOUS, FEATURE_SET
from vocab.schedule import decision_windows

Source = tuple[str, int]

PANES = 16  # that the rolling window is cut into, where it has that many windows


class BinOwner:
    """Rolling counts and published edges of every continuous feature.

    sources: `counted_from` -> the input partitions that count such features. All of them must close a window.
    """

    def __init__(self, settings: BinSettings, sources: Mapping[str, frozenset[Source]]) -> None:
        check_bins(settings.bins)
        self._settings = settings
        self._sources = {counted_from: frozenset(of) for counted_from, of in sources.items()}
        self._pane_windows = -(-settings.rolling_windows // PANES)
        self._state = BinState.empty()
        self._rolling = Tally.empty()  # the sum of the panes

    def observe(self, counts: BinCounts) -> None:
        """Adds a source's frame.

        Raises `BadRecord` for another feature set, an unknown source, a feature that this source does not count, or
        a window that the source had closed.
        """
        source, state = (counts.source_topic, counts.source_partition), self._state
        self._check(counts, source)
        counted = counts.window > counts.closed_through
        if counted:
            if counts.window <= state.closed.get(source, 0):
                raise BadRecord("closed_window", f"{source} counted in window {counts.window}, which it had closed")
            new = Tally.of(counts.features, counts.buckets, counts.counts)
            state.pending[counts.window] = state.pending.get(counts.window, Tally.empty()).plus(new)
        state.closed[source] = max(state.closed.get(source, 0), counts.closed_through)

    def _check(self, counts: BinCounts, source: Source) -> None:
        if counts.feature_set != FEATURE_SET:
            raise BadRecord("other_feature_set", f"counts of feature set {counts.feature_set}, here is {FEATURE_SET}")
        allowed = [counted_from for counted_from, sources in self._sources.items() if source in sources]
        if not allowed:
            raise BadRecord("unknown_source", f"{source} is no source of bin counts")
        numbers = np.unique(counts.features).tolist()
        if any(number >= len(CONTINUOUS) or CONTINUOUS[number].counted_from not in allowed for number in numbers):
            raise BadRecord("foreign_feature", f"{source} counts feature numbers {numbers}, not all its own")

    def close_windows(self) -> list[BinsVersion]:
        """The record of every window that is due one now, ascending."""
        state = self._state
        closed = min((state.closed.get(source, 0) for source in chain(*self._sources.values())), default=0)
        due = list(decision_windows(state.decided, state.counted, list(state.pending), closed))
        return [self._decide(window, counted) for window, counted in due]

    def _decide(self, window: int, counted: bool) -> BinsVersion:
        state = self._state
        moved = self._expire(window)
        if counted:
            added = state.pending.pop(window)
            pane = window // self._pane_windows
            state.panes[pane] = state.panes.get(pane, Tally.empty()).plus(added)
            self._rolling = self._rolling.plus(added)
            state.counted = window
        edges = self._new_edges() if moved or counted else {}
        state.sequence += 1
        version = BinsVersion(base_version=state.decided, version=window, sequence=state.sequence, edges=edges)
        state.decided = window
        return version

    def _expire(self, window: int) -> bool:
        """Drops the panes that `window` leaves behind; whether there were any."""
        oldest = window // self._pane_windows - -(-self._settings.rolling_windows // self._pane_windows) + 1
        gone = [pane for pane in self._state.panes if pane < oldest]
        for pane in gone:
            self._rolling = self._rolling.minus(self._state.panes.pop(pane))
        return bool(gone)

    def _new_edges(self) -> dict[str, list[float]]:
        changed = {}
        for number, feature in enumerate(CONTINUOUS):
            now, former = self._rolling.feature(number), self._state.published.get(number)
            if now.total < self._settings.minimum_values:
                continue
            if former is not None and ks_distance(now, former[0]) <= self._settings.moved:
                continue
            edges = equal_mass_edges(now, self._settings.bins)
            if former is None or not _same(edges, former[1]):
                changed[feature.name] = [float(edge) for edge in edges]
            self._state.published[number] = (now, edges)
        return changed

    def edges(self) -> dict[str, list[float]]:
        """The edges published so far, by feature."""
        return {CONTINUOUS[number].name: edges.tolist() for number, (_, edges) in self._state.published.items()}

    def sketch(self, number: int) -> Sketch:
        """The rolling counts of the ordinary values of feature `number`, as of the last decision."""
        return self._rolling.feature(number)

    def to_bytes(self) -> bytes:
        """The whole state; equal states give equal bytes."""
        return pack(self._state)

    @staticmethod
    def from_bytes(settings: BinSettings, sources: Mapping[str, frozenset[Source]], data: bytes) -> "BinOwner":
        """An owner that goes on from `to_bytes()`. Raises `BadRecord` for other bytes, or another feature set."""
        owner = BinOwner(settings, sources)
        owner._state = unpack(data)
        for pane in owner._state.panes.values():
            owner._rolling = owner._rolling.plus(pane)
        return owner


def _same(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return bool(np.array_equal(one, other))

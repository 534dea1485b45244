"""The one owner of the bins. It adds up counts. Once every source has closed a window, it decides which edges change.

The rolling window is kept as panes of several windows each, which keeps the state small: edges are computed over the
last `rolling_windows`, rounded to panes. `when_edges_change.py` decides when a feature gets new edges. They are
equal-mass, or a decision tree's for features that `bins.supervised` names. `eventtime/decision_windows.py` decides
which windows get a record. The results depend on the counts and settings alone, not on how counts were batched or
when `close_windows` is called.
"""

from collections.abc import Mapping
from itertools import chain

import numpy as np

from contracts.arrays import F32
from contracts.columnar import BinCounts
from contracts.errors import BadRecord
from contracts.records import BinsVersion
from contracts.settings import BinSettings
from eventtime.decision_windows import decision_windows
from eventtime.pending_windows import PendingWindows
from eventtime.window_sources import Source
from featurestore.bins.edges import NO_EDGES, cells, equal_mass_edges, holds_ranks
from featurestore.bins.settings import check_bin_settings, supervised_numbers
from featurestore.bins.state import LABELLED, PLAIN, POSITIVE, BinState, PendingTally, Tally, pack, unpack
from featurestore.bins.tree import tree_edges
from featurestore.bins.when_edges_change import Published, Values, is_due
from featurestore.features import CONTINUOUS, FEATURE_SET

PANES = 16  # that the rolling window is cut into, where it has that many windows
SHOWN = 64  # windows with new edges that the view in Redis goes back


class BinOwner:
    """Rolling counts and published edges of every continuous feature.

    sources: `counted_from` -> the input partitions that count such features; those of `examples` count values for
    trees. A window is decided once all of them have closed it.
    """

    def __init__(self, settings: BinSettings, sources: Mapping[str, frozenset[Source]]) -> None:
        check_bin_settings(settings)
        self._settings = settings
        self._supervised = frozenset(supervised_numbers(settings).tolist())
        self._sources = {counted_from: frozenset(of) for counted_from, of in sources.items()}
        self._pane_windows = -(-settings.rolling_windows // PANES)
        self._state = BinState.empty()
        self._rolling = Tally.empty()  # the sum of the panes

    @property
    def version(self) -> int:
        """The newest window with a record; 0 before the first."""
        return self._state.decided

    @property
    def edge_changes(self) -> list[tuple[int, int, F32]]:
        """(version, feature number, edges) of the published edges, ascending, for the view in Redis."""
        return self._state.edge_changes

    @property
    def oldest_shown(self) -> int:
        """The lowest version that `edge_changes` covers; 0 until something is dropped from them."""
        versions = sorted({version for version, _, _ in self._state.edge_changes})
        return versions[-SHOWN] if len(versions) >= SHOWN else 0

    def observe(self, counts: BinCounts) -> None:
        """Adds a source's frame.

        Raises `BadRecord` for another feature set, an unknown source, columns that do not fit each other, a feature
        that this source does not count, or a window that the source has already closed.
        """
        source, state = (counts.source_topic, counts.source_partition), self._state
        self._check(counts, source)
        counted = counts.window > counts.closed_through
        if counted:
            if counts.window <= state.closed.get(source, 0):
                raise BadRecord("closed_window", f"{source} counted in window {counts.window}, which it had closed")
            state.pending.open(counts.window).add(_tally(counts))
        state.closed[source] = max(state.closed.get(source, 0), counts.closed_through)

    def _check(self, counts: BinCounts, source: Source) -> None:
        if counts.feature_set != FEATURE_SET:
            raise BadRecord("other_feature_set", f"counts of feature set {counts.feature_set}, here is {FEATURE_SET}")
        allowed = [counted_from for counted_from, sources in self._sources.items() if source in sources]
        if not allowed:
            raise BadRecord("unknown_source", f"{source} is no source of bin counts")
        labelled, rows = "examples" in allowed, len(counts.features)
        if (len(counts.buckets), len(counts.counts), len(counts.positives)) != (rows, rows, rows if labelled else 0):
            raise BadRecord("malformed", f"columns of {source} do not fit each other")
        if labelled and (counts.positives > counts.counts).any():
            raise BadRecord("malformed", f"{source} counts more positive values than values")
        numbers = np.unique(counts.features).tolist()
        if any(number >= len(CONTINUOUS) for number in numbers) or not (
            labelled or all(CONTINUOUS[number].counted_from in allowed for number in numbers)
        ):
            raise BadRecord("foreign_feature", f"{source} counts feature numbers {numbers}, not all its own")

    @property
    def pending(self) -> PendingWindows[PendingTally]:
        """The counts of open windows. Those that are due must have been taken back before `close_windows`."""
        return self._state.pending

    @property
    def closed_through(self) -> int:
        """The newest window that every source has closed."""
        return min((self._state.closed.get(source, 0) for source in chain(*self._sources.values())), default=0)

    def close_windows(self, through: int | None = None) -> list[BinsVersion]:
        """The records of all windows that can be decided now, ascending.

        through: the last window to decide, if not all are to be.
        """
        state = self._state
        last = self.closed_through if through is None else through
        due = list(decision_windows(state.decided, state.counted, state.pending, last))
        return [self._decide(window, counted) for window, counted in due]

    def _decide(self, window: int, counted: bool) -> BinsVersion:
        state = self._state
        moved = self._expire(window)
        if counted:
            added = state.pending.pop(window).tally
            pane = window // self._pane_windows
            state.panes[pane] = state.panes.get(pane, Tally.empty()).plus(added)
            self._rolling = self._rolling.plus(added)
            state.counted = window
        changed = self._rolled(window) if moved or counted else {}
        state.sequence += 1
        version = BinsVersion(
            base_version=state.decided,
            version=window,
            sequence=state.sequence,
            edges={CONTINUOUS[number].name: edges.tolist() for number, (edges, _) in changed.items()},
            cells={CONTINUOUS[number].name: mixed for number, (_, mixed) in changed.items() if mixed is not None},
        )
        state.decided = window
        state.edge_changes = _shown(
            [*state.edge_changes, *((window, number, edges) for number, (edges, _) in changed.items())]
        )
        return version

    def _expire(self, window: int) -> bool:
        """Drops the panes that are too old at `window`; returns whether there were any."""
        oldest = window // self._pane_windows - -(-self._settings.rolling_windows // self._pane_windows) + 1
        gone = [pane for pane in self._state.panes if pane < oldest]
        for pane in gone:
            self._rolling = self._rolling.minus(self._state.panes.pop(pane))
        return bool(gone)

    def _rolled(self, window: int) -> dict[int, tuple[F32, list[int] | None]]:
        """Feature number -> (new edges, cells if its rows must be mixed by mass, else None), ascending."""
        changed = {}
        for number in range(len(CONTINUOUS)):
            values, former = self._values(number), self._state.published.get(number)
            rule = self._rule(number)
            if is_due(self._settings, former, values, window, rule):
                published = Published(self._edges(number, values), values, window, rule)
                self._state.published[number] = published
                if former is None or not np.array_equal(former.edges, published.edges):
                    changed[number] = published.edges, _mixed(former, published)
        return changed

    def _values(self, number: int) -> Values:
        if number in self._supervised:
            return Values(self._rolling.feature(number, LABELLED), self._rolling.feature(number, POSITIVE))
        return Values.unlabelled(self._rolling.feature(number))

    def _rule(self, number: int) -> str:
        settings = self._settings
        if number in self._supervised:
            return f"tree {settings.bins} {settings.leaf_share}"
        return f"equal-mass {settings.bins}"

    def _edges(self, number: int, values: Values) -> F32:
        if number not in self._supervised:
            return equal_mass_edges(values.every, self._settings.bins)
        least = max(1, round(self._settings.leaf_share * values.every.total))
        return tree_edges(values.every, values.positive, self._settings.bins, least)

    def edges(self) -> dict[str, list[float]]:
        """The edges published so far, by feature."""
        return {CONTINUOUS[number].name: of.edges.tolist() for number, of in self._state.published.items()}

    def to_bytes(self) -> bytes:
        """The whole state; equal states give equal bytes."""
        return pack(self._state)

    @staticmethod
    def from_bytes(settings: BinSettings, sources: Mapping[str, frozenset[Source]], data: bytes) -> "BinOwner":
        """An owner that continues from `to_bytes()`. Raises `BadRecord` for other bytes, or another feature set."""
        owner = BinOwner(settings, sources)
        owner._state = unpack(data)
        for pane in owner._state.panes.values():
            owner._rolling = owner._rolling.plus(pane)
        return owner


def _tally(counts: BinCounts) -> Tally:
    if not len(counts.positives):
        return Tally.of(counts.features, counts.buckets, counts.counts, PLAIN)
    every = Tally.of(counts.features, counts.buckets, counts.counts, LABELLED)
    return every.plus(Tally.of(counts.features, counts.buckets, counts.positives, POSITIVE))


def _mixed(former: Published | None, published: Published) -> list[int] | None:
    """The cells by which former rows are mixed into the rows of the new bins; None if bins keep their rank."""
    before = NO_EDGES if former is None else former.edges
    if (former is None or holds_ranks(before, former.values.every)) and holds_ranks(
        published.edges, published.values.every
    ):
        return None
    return [int(count) for count in cells(before, published.edges, published.values.every)]


def _shown(edge_changes: list[tuple[int, int, F32]]) -> list[tuple[int, int, F32]]:
    """The changes of the newest `SHOWN` versions with new edges, and each feature's last change before them."""
    versions = sorted({version for version, _, _ in edge_changes})
    if len(versions) <= SHOWN:
        return edge_changes
    oldest = versions[-SHOWN]
    valid = {number: (version, number, edges) for version, number, edges in edge_changes if version <= oldest}
    base = sorted(valid.values(), key=lambda change: change[:2])
    return base + [change for change in edge_changes if change[0] > oldest]

"""The bins as of a version: which bin of its feature each value falls into.

Bins of a feature, in this order; every float32 falls into exactly one:

    0 missing (NaN)   1 minus infinity   2 zero, also -0.0   3 infinity   4+k ordinary: edges[k-1] <= x < edges[k]

Each feature owns BIN_STRIDE rows of the bin table, so the row of (feature, bin) is known from the feature set alone
and does not move when `bins.bins` is set anew.
"""

from collections import deque
from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import ChainBroken, SettingsError, SnapshotInvalid, VersionNotReached, VersionRetired
from contracts.records import BinsVersion
from featurestore.bin_sketch import ordered_bits
from featurestore.features import CONTINUOUS, NUMBER

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

MISSING, MINUS_INFINITY, ZERO, INFINITY, ORDINARY = range(5)
BIN_STRIDE = 64  # rows of the bin table that each feature owns
BIN_ROWS = BIN_STRIDE * len(CONTINUOUS)
MAX_BINS = BIN_STRIDE - ORDINARY
RETAINED = 1_000  # records whose versions can be asked for; those without a change share their tables


def check_bins(bins: int) -> None:
    """Raises `SettingsError` unless a feature's rows can hold so many ordinary bins."""
    if not 1 <= bins <= MAX_BINS:
        raise SettingsError(f"bins.bins (DRIFTLINE_BINS_BINS) is {bins}; it must be 1 to {MAX_BINS}")


class BinsView:
    """The edges of every feature at one version. Immutable.

    edges: feature number -> ascending finite float32 edges, none of them twice; absent = not known yet: one bin.
    sequence: that of the record that made the version, so that a reader can go on after it.
    """

    def __init__(self, version: int, edges: Mapping[int, F32], sequence: int = 0) -> None:
        self.version = version
        self.sequence = sequence
        self.edges = {number: np.asarray(edges[number], np.float32) for number in sorted(edges)}
        for number, of_feature in self.edges.items():
            ascending = np.isfinite(of_feature).all() and (np.diff(of_feature) > 0).all()
            if not ascending or len(of_feature) >= MAX_BINS:
                raise ValueError(f"edges of {CONTINUOUS[number].name}: not at most {MAX_BINS - 1} ascending numbers")
        # All features' edges in one sorted table, (feature, ordered bits of the edge) as one integer: one search
        # then bins the values of all features.
        self._table = np.concatenate(
            [np.empty(0, np.uint64)]
            + [_coded(np.uint64(number), of_feature) for number, of_feature in self.edges.items()]
        )
        self._begin = np.searchsorted(self._table, np.arange(len(CONTINUOUS), dtype=np.uint64) << np.uint64(32))

    @staticmethod
    def empty() -> "BinsView":
        """Version 0: no edges."""
        return BinsView(0, {})

    def assign(self, numbers: NDArray[np.integer[Any]], values: F32) -> I32:
        """int32[n, d] bins of `values` (float32[n, d]), whose columns are the features `numbers` ([d])."""
        coded = _coded(numbers.astype(np.uint64), values)
        below = np.searchsorted(self._table, coded, side="right") - self._begin[numbers]
        bins: I32 = (below + ORDINARY).astype(np.int32)
        bins[values == 0] = ZERO
        odd = ~np.isfinite(values)
        if odd.any():
            bins[np.isnan(values)] = MISSING
            bins[values == -np.inf] = MINUS_INFINITY
            bins[values == np.inf] = INFINITY
        return bins

    def renewed(self, version: int, sequence: int) -> "BinsView":
        """The same edges at a later version; shares the tables."""
        view = copy(self)
        view.version, view.sequence = version, sequence
        return view

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """version, sequence int64[1]; features, lengths int64[f]: which have edges, how many; edges float32[sum]."""
        return {
            "version": np.array([self.version], np.int64),
            "sequence": np.array([self.sequence], np.int64),
            "features": np.array(list(self.edges), np.int64),
            "lengths": np.array([len(edges) for edges in self.edges.values()], np.int64),
            "edges": np.concatenate([np.empty(0, np.float32), *self.edges.values()]),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> "BinsView":
        """The inverse of `to_arrays`. Raises `SnapshotInvalid`."""
        try:
            ends = np.cumsum(arrays["lengths"])
            if (arrays["lengths"] < 0).any() or len(arrays["edges"]) != (ends[-1] if len(ends) else 0):
                raise ValueError("lengths do not add up to the edges")
            parts = np.split(arrays["edges"], ends[:-1]) if len(ends) else []
            numbers = arrays["features"].tolist()
            if not all(0 <= number < len(CONTINUOUS) for number in numbers):
                raise ValueError("edges of a feature that does not exist")
            edges = dict(zip(numbers, parts, strict=True))
            return BinsView(int(arrays["version"][0]), edges, int(arrays["sequence"][0]))
        except (KeyError, IndexError, ValueError) as error:
            raise SnapshotInvalid(f"the arrays are no bins: {error}") from error


def _coded(numbers: NDArray[np.uint64] | np.uint64, values: F32) -> NDArray[np.uint64]:
    return np.asarray((numbers << np.uint64(32)) | ordered_bits(values).astype(np.uint64), np.uint64)


class Bins:
    """Follows the topic `bins`: from its beginning, or on from a view."""

    def __init__(self, start: BinsView | None = None) -> None:
        self._views = deque([BinsView.empty() if start is None else start], maxlen=RETAINED)

    @property
    def complete_through(self) -> int:
        """The newest version known; 0 at first."""
        return self._views[-1].version

    def apply(self, record: BinsVersion) -> None:
        """Takes in the next record. Raises `ChainBroken` for a gap, a repeat or a wrong order."""
        newest = self._views[-1]
        if (record.base_version, record.sequence) != (newest.version, newest.sequence + 1):
            raise ChainBroken(
                f"bins version {record.version} (sequence {record.sequence}) goes on from {record.base_version}, but "
                f"here is {newest.version} (sequence {newest.sequence}); read the topic bins from its beginning"
            )
        if record.edges:
            changed = {_number(name): np.array(edges, np.float32) for name, edges in record.edges.items()}
            self._views.append(BinsView(record.version, newest.edges | changed, record.sequence))
        else:
            self._views.append(newest.renewed(record.version, record.sequence))

    def at(self, version: int) -> BinsView:
        """The bins at `version`: the view of the newest record up to there.

        Raises `VersionNotReached` for one ahead of the log and `VersionRetired` for one no longer kept.
        """
        if version > self.complete_through:
            raise VersionNotReached(f"bins version {version} is not reached; the log is at {self.complete_through}")
        for view in reversed(self._views):
            if view.version <= version:
                return view
        raise VersionRetired(
            f"bins version {version} is no longer kept; the oldest is {self._views[0].version}; read the topic bins"
            " from its beginning up to it to rebuild it"
        )


def _number(name: str) -> int:
    if name not in NUMBER:
        raise ChainBroken(f"the log of bins names feature {name!r}, which this feature set does not have")
    return NUMBER[name]

"""The bins at a version: the edges of every feature, and the tables with which `encode()` discretizes values.

`edge_table.py` says which bin a value falls into, and which row of the bin table stands for it.
"""

from collections import deque
from collections.abc import Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32
from contracts.declared_arrays import Declared, checked
from contracts.errors import ChainBroken, SettingsError, SnapshotInvalid, VersionNotReached, VersionRetired
from contracts.records import BinsVersion
from featurestore.bins.edge_table import BIN_STRIDE, MAX_BINS, EdgeTable
from featurestore.features import CONTINUOUS, NUMBER, VIEWER_DENSE

BIN_ROWS = BIN_STRIDE * len(CONTINUOUS)
# Number of versions that can be asked for. Versions without a change share their tables.
RETAINED = 1_000
_NO_EDGES = np.empty(0, np.float32)
_ARRAYS: Declared = {
    "version": (np.int64, (1,)),
    "sequence": (np.int64, (1,)),
    "features": (np.int64, (None,)),
    "lengths": (np.int64, (None,)),
    "edges": (np.float32, (None,)),
}


def check_bins(bins: int) -> None:
    """Raises `SettingsError` if a feature has too few rows for this many ordinary bins."""
    if not 1 <= bins <= MAX_BINS:
        raise SettingsError(f"bins.bins (DRIFTLINE_BINS_BINS) is {bins}; it must be 1 to {MAX_BINS}")


class FrozenBins:
    """The edges of every feature at one version. Immutable.

    edges: feature number -> strictly ascending finite float32 edges; absent = not known yet, so one bin.
    viewer, candidate: the same edges as tables, for the columns of VIEWER_DENSE and of CANDIDATE_DENSE.
    sequence: the sequence of the record that made the version, after which a reader can continue.
    """

    def __init__(self, version: int, edges: Mapping[int, F32], sequence: int = 0) -> None:
        self.version = version
        self.sequence = sequence
        self.edges = {number: np.asarray(edges[number], np.float32) for number in sorted(edges)}
        for number, of_feature in self.edges.items():
            ascending = np.isfinite(of_feature).all() and (np.diff(of_feature) > 0).all()
            if not ascending or len(of_feature) >= MAX_BINS:
                raise ValueError(f"edges of {CONTINUOUS[number].name}: not at most {MAX_BINS - 1} ascending numbers")
        columns = [self.edges.get(number, _NO_EDGES) for number in range(len(CONTINUOUS))]
        self.viewer = EdgeTable(columns[: len(VIEWER_DENSE)])
        self.candidate = EdgeTable(columns[len(VIEWER_DENSE) :], first=len(VIEWER_DENSE))

    @staticmethod
    def empty() -> "FrozenBins":
        """Version 0: no edges."""
        return FrozenBins(0, {})

    def renewed(self, version: int, sequence: int) -> "FrozenBins":
        """The same edges at a later version; shares the tables."""
        view = copy(self)
        view.version, view.sequence = version, sequence
        return view

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """version, sequence: int64[1]. features, lengths: int64[f], features with edges, and how many. edges:
        float32[sum of lengths].
        """
        return {
            "version": np.array([self.version], np.int64),
            "sequence": np.array([self.sequence], np.int64),
            "features": np.array(list(self.edges), np.int64),
            "lengths": np.array([len(edges) for edges in self.edges.values()], np.int64),
            "edges": np.concatenate([np.empty(0, np.float32), *self.edges.values()]),
        }

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> "FrozenBins":
        """The inverse of `to_arrays`. Raises `SnapshotInvalid`."""
        (version,), (sequence,), features, lengths, edges = checked("bins", arrays, _ARRAYS)
        try:
            if ((lengths < 0) | (lengths >= MAX_BINS)).any() or len(edges) != lengths.sum():
                raise ValueError("lengths do not add up to the edges")
            if not set(features.tolist()) <= set(range(len(CONTINUOUS))) or (np.diff(features) <= 0).any():
                raise ValueError("features must ascend, and be of the feature set")
            parts = np.split(edges, np.cumsum(lengths)[:-1]) if len(lengths) else []
            of_feature = dict(zip(features.tolist(), parts, strict=True))
            return FrozenBins(int(version), of_feature, int(sequence))
        except ValueError as error:
            raise SnapshotInvalid(f"the arrays are no bins: {error}") from error


class Bins:
    """Follows the topic `bins`: from its beginning, or on from a view."""

    def __init__(self, start: FrozenBins | None = None) -> None:
        self._views = deque([FrozenBins.empty() if start is None else start], maxlen=RETAINED)

    @property
    def complete_through(self) -> int:
        """The newest version known; 0 at first."""
        return self._views[-1].version

    def apply(self, record: BinsVersion) -> None:
        """Applies the next record. Raises `ChainBroken` for a gap, a repeat or a wrong order."""
        newest = self._views[-1]
        if (record.base_version, record.sequence) != (newest.version, newest.sequence + 1):
            raise ChainBroken(
                f"bins version {record.version} (sequence {record.sequence}) goes on from {record.base_version}, but "
                f"here is {newest.version} (sequence {newest.sequence}); read the topic bins from its beginning"
            )
        if record.edges:
            changed = {_number(name): np.array(edges, np.float32) for name, edges in record.edges.items()}
            self._views.append(_view(record, newest.edges | changed))
        else:
            self._views.append(newest.renewed(record.version, record.sequence))

    def at(self, version: int) -> FrozenBins:
        """The bins at `version`: the view of the newest record up to it.

        Raises `VersionNotReached` for a version ahead of the log, and `VersionRetired` for one no longer kept.
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


def _view(record: BinsVersion, edges: Mapping[int, F32]) -> FrozenBins:
    try:
        return FrozenBins(record.version, edges, record.sequence)
    except ValueError as error:
        raise ChainBroken(
            f"bins version {record.version} does not fit this feature set ({error}); run the release that wrote it,"
            " or begin anew under another DRIFTLINE_PREFIX"
        ) from error


def _number(name: str) -> int:
    if name not in NUMBER:
        raise ChainBroken(f"the log of bins names feature {name!r}, which this feature set does not have")
    return NUMBER[name]

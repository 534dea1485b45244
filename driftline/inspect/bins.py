"""The log of bin edges: what they are, how they came to be, and how far they moved."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.codec import Codec
from contracts.errors import DriftlineError
from contracts.records import BinsVersion
from contracts.settings import Settings
from contracts.topics import BINS
from driftline.inspect.logs import read_records

_codec = Codec(BinsVersion)


class NoSuchBins(DriftlineError):
    """A feature that has no bins (yet)."""


class BinsAt(msgspec.Struct, frozen=True, kw_only=True):
    """The edges of a feature as of one version. `moved` is the distance from the version before, 0 for the first."""

    feature: str
    version: int
    edges: list[float]
    moved: float


class BinsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's bins over the whole log. `moved` is the distance from the first edges to the newest.

    `first` is the first version that has edges: before there are values enough, a feature is one bin.
    """

    feature: str
    versions: int
    first: BinsAt
    newest: BinsAt
    moved: float


def distance(before: Sequence[float], after: Sequence[float]) -> float:
    """How far equal-mass edges moved: the Kolmogorov-Smirnov distance of the distributions that they stand for.

    The largest change of the share of values below any edge, 0 to 1. Between edges the share is taken as linear; past
    the outermost edges nothing is known, so it stays, and a lone edge never seems to move.
    """
    if not before or not after:
        return 0.0 if len(before) == len(after) else 1.0
    points = np.unique(np.concatenate([before, after]))
    return float(np.abs(_share_below(points, before) - _share_below(points, after)).max())


def _share_below(points: NDArray[np.float64], edges: Sequence[float]) -> NDArray[np.float64]:
    shares = np.arange(1, len(edges) + 1) / (len(edges) + 1)
    return np.interp(points, edges, shares)


def read_history(settings: Settings, feature: str | None = None) -> Iterator[BinsAt]:
    """Every change of edges in log order, of one feature or of all."""
    last: dict[str, list[float]] = {}
    for _, published in read_records(settings, BINS, _codec):
        for name, edges in published.edges.items():
            if feature is None or name == feature:
                moved = distance(last[name], edges) if name in last else 0.0
                last[name] = edges
                yield BinsAt(feature=name, version=published.version, edges=edges, moved=moved)


def summarize(settings: Settings) -> list[BinsSummary]:
    """First and newest edges of every feature that has some, by name."""
    first: dict[str, BinsAt] = {}
    newest: dict[str, BinsAt] = {}
    versions: dict[str, int] = {}
    for change in read_history(settings):
        if change.feature not in first or not first[change.feature].edges:
            first[change.feature] = change
        newest[change.feature] = change
        versions[change.feature] = versions.get(change.feature, 0) + 1
    return [
        BinsSummary(
            feature=name, versions=versions[name], first=first[name], newest=newest[name],
            moved=distance(first[name].edges, newest[name].edges),
        )
        for name in sorted(newest)
    ]  # fmt: skip


def newest_bins(settings: Settings, feature: str) -> BinsAt:
    """A feature's edges as they are now. Raises `NoSuchBins` with those that there are."""
    names = set()
    newest = None
    for change in read_history(settings):
        names.add(change.feature)
        if change.feature == feature:
            newest = change
    if newest is None:
        raise NoSuchBins(f"no bins of {feature!r}; there are those of: {', '.join(sorted(names)) or '(none yet)'}")
    return newest

"""The log of bin edges: the edges at any version, their history, and how far they moved."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from contracts.arrays import F64
from contracts.codec import Codec
from contracts.errors import DriftlineError, VersionNotReached
from contracts.records import BinsVersion
from contracts.settings import Settings
from contracts.topics import BINS
from driftline.inspect.logs import read_records

_codec = Codec(BinsVersion)


class NoSuchBins(DriftlineError):
    """The feature has no bins, or none yet."""


class BinsAt(msgspec.Struct, frozen=True, kw_only=True):
    """The edges of a feature at one version. `moved`: the distance from the previous version, 0 for the first."""

    feature: str
    version: int
    edges: list[float]
    moved: float


class BinsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's bins over the whole log. `moved`: the distance from the first edges to the newest.

    `first` is the first version with edges: until there are enough values, a feature has one bin and no edges.
    """

    feature: str
    versions: int
    first: BinsAt
    newest: BinsAt
    moved: float


class BinsMove(msgspec.Struct, frozen=True, kw_only=True):
    """A feature's edges at two versions, empty for one bin. `moved`: the distance between them."""

    feature: str
    before: list[float]
    after: list[float]
    moved: float


def distance(before: Sequence[float], after: Sequence[float]) -> float:
    """How far quantile edges moved: the Kolmogorov-Smirnov distance between the distributions that they describe.

    It is the largest change of the share of values below any edge, 0 to 1. The share is linear between edges and
    constant beyond the outermost ones, where nothing is known; so the distance of single edges is 0.
    """
    if not before or not after:
        return 0.0 if len(before) == len(after) else 1.0
    points = np.unique(np.concatenate([before, after]))
    return float(np.abs(_share_below(points, before) - _share_below(points, after)).max())


def _share_below(points: F64, edges: Sequence[float]) -> F64:
    shares = np.arange(1, len(edges) + 1) / (len(edges) + 1)
    return np.interp(points, edges, shares)


def read_history(settings: Settings, feature: str | None = None) -> Iterator[BinsAt]:
    """Every change of edges in log order, for one feature or for all."""
    for _, changes in _read(settings):
        yield from (change for change in changes if feature is None or change.feature == feature)


def summarize(settings: Settings) -> list[BinsSummary]:
    """The first and the newest edges of every feature that has bins, sorted by name."""
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
            feature=name,
            versions=versions[name],
            first=first[name],
            newest=newest[name],
            moved=distance(first[name].edges, newest[name].edges),
        )
        for name in sorted(newest)
    ]


def bins_at(settings: Settings, feature: str, version: int | None = None) -> BinsAt:
    """A feature's edges at a version; None is the newest.

    Raises `NoSuchBins`, which names the features that have bins, and `VersionNotReached` past the end of the log.
    """
    names: set[str] = set()
    found, newest = None, 0
    for published, changes in _read(settings):
        newest = published.version
        for change in changes:
            names.add(change.feature)
            if change.feature == feature and (version is None or change.version <= version):
                found = change
    _check_reached(version or 0, newest)
    if found is None:
        at = "" if version is None else f" at version {version}"
        raise NoSuchBins(
            f"no bins of {feature!r}{at}; the log has bins of: {', '.join(sorted(names)) or '(none yet)'}"
        )
    return found


def compare(settings: Settings, before: int, after: int) -> list[BinsMove]:
    """The features whose edges differ between two versions, furthest moved first.

    Raises `VersionNotReached` past the end of the log.
    """
    edges: dict[int, dict[str, list[float]]] = {before: {}, after: {}}
    newest = 0
    for published, changes in _read(settings):
        newest = published.version
        for version, of_version in edges.items():
            if published.version <= version:
                of_version |= {change.feature: change.edges for change in changes}
    _check_reached(max(before, after), newest)
    moves = [
        BinsMove(feature=name, before=one, after=other, moved=distance(one, other))
        for name in sorted(edges[before].keys() | edges[after].keys())
        if (one := edges[before].get(name, [])) != (other := edges[after].get(name, []))
    ]
    return sorted(moves, key=lambda move: -move.moved)


def _check_reached(version: int, newest: int) -> None:
    if version > newest:
        raise VersionNotReached(f"bins version {version} is past the log, which ends at {newest}")


def _read(settings: Settings) -> Iterator[tuple[BinsVersion, list[BinsAt]]]:
    """Every record in log order, with the changes in it."""
    last: dict[str, list[float]] = {}
    for _, published in read_records(settings, BINS, _codec):
        changes = []
        for name, edges in published.edges.items():
            moved = distance(last[name], edges) if name in last else 0.0
            changes.append(BinsAt(feature=name, version=published.version, edges=edges, moved=moved))
        last |= published.edges
        yield published, changes

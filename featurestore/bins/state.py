"""The state of the owner of the bins, and its bytes: one MessagePack frame of sorted columns, deflated."""

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, I64
from contracts.codec import Codec, serialize
from contracts.errors import BadRecord
from contracts.frames import Frame
from eventtime.pending_windows import MOST_PART_ROWS, PendingWindows, Spilled
from featurestore.bins.edges import Sketch
from featurestore.bins.sketch import BUCKET_BITS
from featurestore.bins.when_edges_change import Published, Values
from featurestore.features import FEATURE_SET

_BUCKETS = (1 << BUCKET_BITS) - 1
# What is counted: values without labels, values of examples, values of engaged examples.
PLAIN, LABELLED, POSITIVE = range(3)
_KIND_SHIFT = 16  # above a feature's number


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of (kind, feature, bucket), in ascending order of these.

    codes: int64[k], (kind << 16 | feature number) << BUCKET_BITS | bucket. counts: int64[k], positive.
    """

    codes: I64
    counts: I64

    @staticmethod
    def empty() -> "Tally":
        """No counts."""
        return Tally(np.empty(0, np.int64), np.empty(0, np.int64))

    @staticmethod
    def of(features: NDArray[Any], buckets: NDArray[Any], counts: NDArray[Any], kind: int = PLAIN) -> "Tally":
        """From the columns of a `BinCounts`; rows of the same feature and bucket add up."""
        numbers = features.astype(np.int64) | kind << _KIND_SHIFT
        return _summed((numbers << BUCKET_BITS) | buckets.astype(np.int64), counts.astype(np.int64))

    def plus(self, other: "Tally") -> "Tally":
        """The sum."""
        return _summed(np.concatenate([self.codes, other.codes]), np.concatenate([self.counts, other.counts]))

    def minus(self, other: "Tally") -> "Tally":
        """The difference; `other` must be part of this one."""
        return _summed(np.concatenate([self.codes, other.codes]), np.concatenate([self.counts, -other.counts]))

    def feature(self, number: int, kind: int = PLAIN) -> Sketch:
        """The ordinary values of one feature."""
        first = (kind << _KIND_SHIFT | number) << BUCKET_BITS
        begin, end = np.searchsorted(self.codes, [first, first + _BUCKETS + 1])
        return Sketch.ordinary(self.codes[begin:end] & _BUCKETS, self.counts[begin:end])


def _summed(codes: I64, counts: I64) -> Tally:
    if len(codes) == 0:
        return Tally.empty()
    order = np.argsort(codes, kind="stable")  # which merges sorted runs
    codes = codes[order]
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    sums = np.add.reduceat(counts[order], starts)
    some = sums != 0
    return Tally(codes[starts][some], sums[some])


class _Part(Frame, frozen=True, kw_only=True):
    """Some rows of a `Tally`."""

    codes: I64
    counts: I64


_part = Codec(_Part).deserialize


class PendingTally:
    """The counts of an open window, summed as they come."""

    def __init__(self, tally: Tally | None = None) -> None:
        self.tally = tally or Tally.empty()

    @property
    def rows(self) -> int:
        """See `eventtime.pending_windows.Window`."""
        return len(self.tally.codes)

    def add(self, tally: Tally) -> None:
        """Add these counts."""
        self.tally = self.tally.plus(tally)

    def sum_up(self) -> None:
        """See `eventtime.pending_windows.Window`."""

    def to_parts(self) -> list[bytes]:
        """See `eventtime.pending_windows.Window`."""
        return [
            serialize(_Part(codes=self.tally.codes[rows], counts=self.tally.counts[rows]))
            for begin in range(0, self.rows, MOST_PART_ROWS)
            for rows in [slice(begin, begin + MOST_PART_ROWS)]
        ]

    def add_part(self, data: bytes) -> None:
        """See `eventtime.pending_windows.Window`."""
        part = _part(data)
        self.add(Tally(part.codes, part.counts))


@dataclass(slots=True)
class BinState:
    """closed: source -> newest window it has closed. pending: the counts of open windows. panes: pane -> its counts.

    published: by feature number. edge_changes: (version, feature number, edges) of the published edges, ascending,
    back to those valid at the oldest version that the view in Redis covers. decided: newest window with a record.
    counted: newest decided window that a source counted in. sequence: number of records so far.
    """

    closed: dict[tuple[str, int], int] = field(default_factory=dict)
    pending: PendingWindows[PendingTally] = field(default_factory=lambda: PendingWindows(PendingTally))
    panes: dict[int, Tally] = field(default_factory=dict)
    published: dict[int, Published] = field(default_factory=dict)
    edge_changes: list[tuple[int, int, F32]] = field(default_factory=list)
    decided: int = 0
    counted: int = 0
    sequence: int = 0

    @staticmethod
    def empty() -> "BinState":
        """Nothing seen, nothing decided."""
        return BinState()


class _Packed(Frame, frozen=True, kw_only=True):
    """`BinState` as columns. Row i of `positives` and of `rules` belongs to row i of `published`.

    `spilled`: window -> (parts, rows) that are stored elsewhere.
    """

    feature_set: str
    closed: list[tuple[str, int, int]]
    decided: int
    counted: int
    sequence: int
    pending: list[tuple[int, I64, I64]]
    spilled: dict[int, tuple[int, int]]
    panes: list[tuple[int, I64, I64]]
    published: list[tuple[int, I64, I64, F32]]
    positives: list[tuple[I64, I64]]
    rules: list[tuple[int, str]]
    edge_changes: list[tuple[int, int, F32]]


_codec = Codec(_Packed)


def pack(state: BinState) -> bytes:
    """The state in bytes; equal states give equal bytes."""
    published = sorted(state.published.items(), key=lambda item: item[0])
    packed = _Packed(
        feature_set=FEATURE_SET,
        closed=sorted((topic, partition, window) for (topic, partition), window in state.closed.items()),
        decided=state.decided,
        counted=state.counted,
        sequence=state.sequence,
        pending=[(key, of.tally.codes, of.tally.counts) for key, of in sorted(state.pending.held.items())],
        spilled={window: (stored.parts, stored.rows) for window, stored in sorted(state.pending.spilled.items())},
        panes=[(key, tally.codes, tally.counts) for key, tally in sorted(state.panes.items())],
        published=[(n, of.values.every.buckets, of.values.every.counts, of.edges) for n, of in published],
        positives=[(of.values.positive.buckets, of.values.positive.counts) for _, of in published],
        rules=[(of.window, of.rule) for _, of in published],
        edge_changes=state.edge_changes,
    )
    return zlib.compress(serialize(packed), level=1)


def unpack(data: bytes) -> BinState:
    """The inverse of `pack`. Raises `BadRecord` for other bytes, another version, or another feature set."""
    try:
        raw = zlib.decompress(data)
    except zlib.error as error:
        raise BadRecord("malformed", f"state of the bins: {error}") from error
    packed = _codec.deserialize(raw)
    if packed.feature_set != FEATURE_SET:
        raise BadRecord(
            "other_feature_set",
            f"bins of feature set {packed.feature_set}, here is {FEATURE_SET}; run the release that wrote them, or"
            " begin anew under another DRIFTLINE_PREFIX",
        )
    return BinState(
        closed={(topic, partition): window for topic, partition, window in packed.closed},
        pending=_pending(packed),
        panes={key: Tally(codes, counts) for key, codes, counts in packed.panes},
        published=_published(packed),
        edge_changes=packed.edge_changes,
        decided=packed.decided,
        counted=packed.counted,
        sequence=packed.sequence,
    )


def _pending(packed: _Packed) -> PendingWindows[PendingTally]:
    pending = PendingWindows(PendingTally)
    pending.held = {window: PendingTally(Tally(codes, counts)) for window, codes, counts in packed.pending}
    pending.spilled = {window: Spilled(*stored) for window, stored in packed.spilled.items()}
    return pending


def _published(packed: _Packed) -> dict[int, Published]:
    rows = zip(packed.published, packed.positives, packed.rules, strict=True)
    return {
        number: Published(edges, Values(Sketch(buckets, counts), Sketch(*positive)), *rule)
        for (number, buckets, counts, edges), positive, rule in rows
    }

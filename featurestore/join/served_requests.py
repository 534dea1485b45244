"""Served requests as the join keeps them: unpacked once when they arrive, and cut out of their block when they close.

A batch of records becomes blocks of up to BLOCK_REQUESTS requests. A block stays in memory while one of its requests
is open, so the block size bounds how much memory one late request can hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.arrays import F32, I64, U64
from contracts.columnar import CandidatesServed
from contracts.columns import FeatureColumns
from contracts.errors import BadRecord
from contracts.examples import PROVENANCES
from contracts.served import count_weights, features_of_requests
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, FEATURE_SET, VIEWER_DENSE, VIEWER_SIDE

BLOCK_REQUESTS = 256


@dataclass(frozen=True, slots=True)
class ServedBlock:
    """The columns of m requests with n candidates in all, request after request.

    features: viewer i is request i's. tweet_ids: uint64[n]. probabilities: float32[n]. first_rows: int64[m + 1], the
    candidates of request i are rows first_rows[i] to first_rows[i + 1].
    """

    features: FeatureColumns
    tweet_ids: U64
    probabilities: F32
    first_rows: I64


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """One request: the values that its examples repeat, and where its columns are.

    provenance: index of `PROVENANCES`. viewer: its number in `block`. rows: its candidates there, place by place.
    """

    request_id: str
    viewer_id: int
    at_ms: int
    model_version: int
    vocab_version: int
    bins_version: int
    provenance: int
    block: ServedBlock
    viewer: int
    rows: slice

    @property
    def tweet_ids(self) -> U64:
        """uint64[candidates]."""
        return self.block.tweet_ids[self.rows]

    @property
    def probabilities(self) -> F32:
        """float32[candidates]."""
        return self.block.probabilities[self.rows]


def check_served(record: CandidatesServed) -> None:
    """Raises `BadRecord` unless the record has this code's features and its columns fit each other."""
    if record.feature_set != FEATURE_SET:
        raise BadRecord("other_feature_set", f"served with feature set {record.feature_set}, here is {FEATURE_SET}")
    n = len(record.tweet_ids)
    expected = {
        "author_ids": n,
        "probabilities": n,
        "viewer_dense": len(VIEWER_DENSE),
        "viewer_lengths": len(VIEWER_SIDE.fields),
        "viewer_keys": int(record.viewer_lengths.sum(dtype=np.int64)),
        "candidate_dense": n * len(CANDIDATE_DENSE),
        "candidate_lengths": n * len(CANDIDATE_SIDE.fields),
        "candidate_keys": int(record.candidate_lengths.sum(dtype=np.int64)),
        "viewer_weights": count_weights(record.viewer_lengths, VIEWER_SIDE),
        "candidate_weights": count_weights(record.candidate_lengths, CANDIDATE_SIDE),
        "viewer_vectors": VIEWER_SIDE.vector_width,
        "candidate_vectors": n * CANDIDATE_SIDE.vector_width,
    }
    for column, length in expected.items():
        if len(getattr(record, column)) != length:
            raise BadRecord("malformed", f"{column} has {len(getattr(record, column))} elements instead of {length}")
    for column in ("viewer_weights", "candidate_weights", "viewer_vectors", "candidate_vectors"):
        if not np.isfinite(getattr(record, column)).all():
            raise BadRecord("malformed", f"{column} has elements that are not finite")


def unpack_served(records: Sequence[CandidatesServed]) -> list[ServedRequest]:
    """The requests of records that have passed `check_served`, in the same order."""
    requests = []
    for begin in range(0, len(records), BLOCK_REQUESTS):
        requests += _unpack_block(records[begin : begin + BLOCK_REQUESTS])
    return requests


def _unpack_block(records: Sequence[CandidatesServed]) -> list[ServedRequest]:
    first_rows = np.cumsum([0, *(len(record.tweet_ids) for record in records)], dtype=np.int64)
    block = ServedBlock(
        features=features_of_requests(records, VIEWER_SIDE, CANDIDATE_SIDE),
        tweet_ids=np.concatenate([record.tweet_ids for record in records]),
        probabilities=np.concatenate([record.probabilities for record in records]),
        first_rows=first_rows,
    )
    ends = first_rows.tolist()
    return [
        ServedRequest(
            request_id=record.request_id,
            viewer_id=record.viewer_id,
            at_ms=record.at_ms,
            model_version=record.model_version,
            vocab_version=record.vocab_version,
            bins_version=record.bins_version,
            provenance=PROVENANCES.index(record.provenance),
            block=block,
            viewer=viewer,
            rows=slice(ends[viewer], ends[viewer + 1]),
        )
        for viewer, record in enumerate(records)
    ]


def blocks_of(requests: Sequence[ServedRequest]) -> list[ServedBlock]:
    """The blocks of the requests, each once, in order of first appearance."""
    return list({id(request.block): request.block for request in requests}.values())


def dense_of(blocks: Sequence[ServedBlock]) -> FeatureColumns:
    """The dense features of all requests with candidates, viewer after viewer; no keys and no vectors."""
    candidates = np.concatenate([np.diff(block.first_rows) for block in blocks])
    shown = candidates > 0
    dense = [block.features.candidate_dense for block in blocks if len(block.tweet_ids)]
    return FeatureColumns(
        viewer_row=np.repeat(np.arange(np.count_nonzero(shown), dtype=np.int32), candidates[shown]),
        viewer_dense=np.concatenate([block.features.viewer_dense for block in blocks])[shown],
        viewer_keys={},
        candidate_dense=np.concatenate(dense) if dense else np.empty((0, len(CANDIDATE_DENSE)), np.float32),
        candidate_keys={},
    )


def features_of(requests: Sequence[ServedRequest], places: Sequence[I64]) -> FeatureColumns:
    """Features of some candidates of each request: viewer i and the candidates at `places[i]` are of request i.

    requests: at least one. places: int64, each below the request's number of candidates.
    """
    spans: dict[int, _Span] = {}
    for request in requests:
        spans.setdefault(id(request.block), _Span(request.block)).cover(request.viewer)
    first_viewer = first_row = 0
    for span in spans.values():
        span.place(first_viewer, first_row)
        first_viewer, first_row = first_viewer + span.viewers, first_row + span.rows
    parts = [span.features() for span in spans.values()]
    whole = parts[0] if len(parts) == 1 else FeatureColumns.concatenate(parts)
    rows, viewers = [], []
    for request, of_request in zip(requests, places, strict=True):
        span = spans[id(request.block)]
        rows.append(of_request + (request.rows.start + span.row_shift))
        viewers.append(request.viewer + span.viewer_shift)
    viewer_row = np.repeat(np.arange(len(requests), dtype=np.int32), [len(of_request) for of_request in places])
    return whole.take(np.concatenate(rows)).take_viewers(np.array(viewers, np.int64), viewer_row)


class _Span:
    """The part of a block that covers some of its requests, and the position of that part among all parts."""

    def __init__(self, block: ServedBlock) -> None:
        self._block = block
        self._begin, self._end = len(block.first_rows), 0
        self.viewer_shift = self.row_shift = 0

    def cover(self, viewer: int) -> None:
        """Extend the part to include this request."""
        self._begin, self._end = min(self._begin, viewer), max(self._end, viewer + 1)

    def place(self, first_viewer: int, first_row: int) -> None:
        """Set `viewer_shift` and `row_shift`, which map positions in the block to positions in the joined parts."""
        self.viewer_shift = first_viewer - self._begin
        self.row_shift = first_row - int(self._block.first_rows[self._begin])

    @property
    def viewers(self) -> int:
        """How many requests the part holds."""
        return self._end - self._begin

    @property
    def rows(self) -> int:
        """How many candidates the part holds."""
        return int(self._block.first_rows[self._end] - self._block.first_rows[self._begin])

    def features(self) -> FeatureColumns:
        """The part's columns, not copied."""
        whole = self._block.features
        viewers = slice(self._begin, self._end)
        rows = slice(*self._block.first_rows[[self._begin, self._end]].tolist())
        return FeatureColumns(
            viewer_row=whole.viewer_row[rows] - np.int32(self._begin),
            viewer_dense=whole.viewer_dense[viewers],
            viewer_keys={field: bags.slice(self._begin, self._end) for field, bags in whole.viewer_keys.items()},
            candidate_dense=whole.candidate_dense[rows],
            candidate_keys={field: bags.slice(rows.start, rows.stop) for field, bags in whole.candidate_keys.items()},
            viewer_vectors={name: vectors[viewers] for name, vectors in whole.viewer_vectors.items()},
            candidate_vectors={name: vectors[rows] for name, vectors in whole.candidate_vectors.items()},
        )

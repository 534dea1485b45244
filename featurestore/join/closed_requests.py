"""Closed requests and their labels to columns of examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from contracts.columnar import CandidatesServed
from contracts.columns import FeatureColumns
from contracts.errors import BadRecord
from contracts.examples import PROVENANCES, Examples, engaged
from contracts.served import count_values, features_of_requests
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, FEATURE_SET, VIEWER_DENSE, VIEWER_SIDE
from featurestore.store.redis_layout import mix64

MAX_ROWS = 2_048  # of one batch of examples, unless one request has more: some 1.6 kB each before compression


@dataclass(slots=True)
class Labelled:
    """What happened to one impression. bits: as `Examples.labels`. engaged_append_ms: 0 = no positive action."""

    bits: int = 0
    engaged_append_ms: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """Examples whose labels are final, and when: counted_ms int64[n], event time, see `Joiner.closed_ms`."""

    examples: Examples
    counted_ms: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Piece:
    """The kept rows of one request."""

    record: CandidatesServed
    counted_ms: int
    rows: NDArray[np.int64]
    labels: NDArray[np.uint16]
    engaged_append_ms: NDArray[np.int64]


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
        "viewer_values": count_values(record.viewer_lengths, VIEWER_SIDE),
        "candidate_values": count_values(record.candidate_lengths, CANDIDATE_SIDE),
        "viewer_vectors": VIEWER_SIDE.vector_width,
        "candidate_vectors": n * CANDIDATE_SIDE.vector_width,
    }
    for column, length in expected.items():
        if len(getattr(record, column)) != length:
            raise BadRecord("malformed", f"{column} has {len(getattr(record, column))} elements instead of {length}")
    for column in ("viewer_values", "candidate_values", "viewer_vectors", "candidate_vectors"):
        if not np.isfinite(getattr(record, column)).all():
            raise BadRecord("malformed", f"{column} has elements that are not finite")


def examples_of(
    closed: Sequence[tuple[CandidatesServed, Mapping[int, Labelled], int]], negative_keep: float
) -> list[Closed]:
    """Examples of (request, labels of its places, counted_ms), in their order, about MAX_ROWS a batch at most.

    A request id that was served twice never stands beside itself in a batch: readers take neighbouring rows of one
    request id for one request.
    """
    batches: list[list[_Piece]] = []
    rows = 0
    for record, labels, counted_ms in closed:
        piece = _sampled(record, labels, counted_ms, negative_keep)
        if len(piece.rows) == 0:
            continue
        repeated = bool(batches) and batches[-1][-1].record.request_id == record.request_id
        if not batches or repeated or rows + len(piece.rows) > MAX_ROWS:
            batches.append([])
            rows = 0
        batches[-1].append(piece)
        rows += len(piece.rows)
    return [_batch(pieces, negative_keep) for pieces in batches]


def _sampled(
    record: CandidatesServed, labels: Mapping[int, Labelled], counted_ms: int, negative_keep: float
) -> _Piece:
    places = sorted(labels)
    rows = np.array(places, np.int64)
    bits = np.array([labels[place].bits for place in places], np.uint16)
    appended = np.array([labels[place].engaged_append_ms for place in places], np.int64)
    kept = engaged(bits)
    kept |= _drawn(record.request_id, record.tweet_ids[rows]) < negative_keep
    return _Piece(record, counted_ms, rows[kept], bits[kept], appended[kept])


def _drawn(request_id: str, tweet_ids: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each impression, the same in every run."""
    seed = np.uint64(xxh3_64_intdigest(request_id.encode()))
    return np.asarray((mix64(mix64(tweet_ids) ^ seed) >> np.uint64(11)) * 2.0**-53, np.float64)


def _batch(pieces: Sequence[_Piece], negative_keep: float) -> Closed:
    labels = np.concatenate([piece.labels for piece in pieces])
    lengths = [len(piece.rows) for piece in pieces]

    def each(values: Sequence[int]) -> NDArray[np.int64]:
        return np.repeat(np.array(values, np.int64), lengths)

    examples = Examples(
        feature_set=FEATURE_SET,
        features=_features(pieces),
        request_ids=[piece.record.request_id for piece in pieces for _ in range(len(piece.rows))],
        viewer_ids=each([piece.record.viewer_id for piece in pieces]).astype(np.uint64),
        tweet_ids=np.concatenate([piece.record.tweet_ids[piece.rows] for piece in pieces]),
        at_ms=each([piece.record.at_ms for piece in pieces]),
        positions=np.concatenate([piece.rows for piece in pieces]).astype(np.uint16),
        labels=labels,
        weights=_weights(labels, negative_keep),
        probabilities=np.concatenate([piece.record.probabilities[piece.rows] for piece in pieces]),
        model_versions=each([piece.record.model_version for piece in pieces]),
        vocab_versions=each([piece.record.vocab_version for piece in pieces]),
        bins_versions=each([piece.record.bins_version for piece in pieces]),
        engaged_append_ms=np.concatenate([piece.engaged_append_ms for piece in pieces]),
        provenances=each([PROVENANCES.index(piece.record.provenance) for piece in pieces]).astype(np.uint8),
    )
    return Closed(examples, each([piece.counted_ms for piece in pieces]))


def _features(pieces: Sequence[_Piece]) -> FeatureColumns:
    """Of the kept rows; every request has its viewer."""
    first_rows = np.cumsum([0, *(len(piece.record.tweet_ids) for piece in pieces)])
    rows = np.concatenate([piece.rows + first for piece, first in zip(pieces, first_rows, strict=False)])
    return features_of_requests([piece.record for piece in pieces], VIEWER_SIDE, CANDIDATE_SIDE).take(rows)


def _weights(labels: NDArray[np.uint16], negative_keep: float) -> NDArray[np.float32]:
    weights = np.ones(len(labels), np.float32)
    negative = ~engaged(labels)
    weights[negative] = 1.0 / negative_keep if negative.any() else 1.0
    return weights

"""Turns closed requests and their labels into columns of examples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xxhash import xxh3_64_intdigest

from contracts.arrays import F32, F64, I64, U16, U64
from contracts.examples import Examples, engaged
from featurestore.features import FEATURE_SET
from featurestore.join.served_requests import ServedRequest, features_of
from featurestore.store.redis_layout import mix64

# Rows of one batch of examples, unless a single request has more. A row is some 1.6 kB before compression.
MAX_ROWS = 2_048


@dataclass(slots=True)
class Labelled:
    """What happened to one impression. bits: as `Examples.labels`. engaged_append_ms: 0 = no positive action."""

    bits: int = 0
    engaged_append_ms: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """Examples whose labels are final. counted_ms: int64[n], the event time when each counts (`Joiner.closed_ms`)."""

    examples: Examples
    counted_ms: I64


@dataclass(frozen=True, slots=True)
class _Piece:
    """The kept places of one request."""

    request: ServedRequest
    counted_ms: int
    places: I64
    labels: U16
    engaged_append_ms: I64


def examples_of(
    closed: Sequence[tuple[ServedRequest, Mapping[int, Labelled], int]], negative_keep: float
) -> list[Closed]:
    """Examples of (request, labels of its places, counted_ms), in the given order, at most about MAX_ROWS per batch.

    If a request id was served twice, its two requests are never adjacent in a batch: readers take adjacent rows with
    one request id as one request.
    """
    batches: list[list[_Piece]] = []
    rows = 0
    for request, labels, counted_ms in closed:
        piece = _sampled(request, labels, counted_ms, negative_keep)
        if len(piece.places) == 0:
            continue
        repeated = bool(batches) and batches[-1][-1].request.request_id == request.request_id
        if not batches or repeated or rows + len(piece.places) > MAX_ROWS:
            batches.append([])
            rows = 0
        batches[-1].append(piece)
        rows += len(piece.places)
    return [_batch(pieces, negative_keep) for pieces in batches]


def _sampled(request: ServedRequest, labels: Mapping[int, Labelled], counted_ms: int, negative_keep: float) -> _Piece:
    labelled = sorted(labels)
    places = np.array(labelled, np.int64)
    bits = np.array([labels[place].bits for place in labelled], np.uint16)
    appended = np.array([labels[place].engaged_append_ms for place in labelled], np.int64)
    kept = engaged(bits)
    kept |= _drawn(request.request_id, request.tweet_ids[places]) < negative_keep
    return _Piece(request, counted_ms, places[kept], bits[kept], appended[kept])


def _drawn(request_id: str, tweet_ids: U64) -> F64:
    """A number in [0, 1) for each impression, the same in every run."""
    seed = np.uint64(xxh3_64_intdigest(request_id.encode()))
    return np.asarray((mix64(mix64(tweet_ids) ^ seed) >> np.uint64(11)) * 2.0**-53, np.float64)


def _batch(pieces: Sequence[_Piece], negative_keep: float) -> Closed:
    labels = np.concatenate([piece.labels for piece in pieces])
    requests, places = [piece.request for piece in pieces], [piece.places for piece in pieces]
    lengths = [len(of_request) for of_request in places]

    def each(values: Sequence[int]) -> I64:
        return np.repeat(np.array(values, np.int64), lengths)

    examples = Examples(
        feature_set=FEATURE_SET,
        features=features_of(requests, places),
        request_ids=[request.request_id for request, n in zip(requests, lengths, strict=True) for _ in range(n)],
        viewer_ids=each([request.viewer_id for request in requests]).astype(np.uint64),
        tweet_ids=np.concatenate([request.tweet_ids[at] for request, at in zip(requests, places, strict=True)]),
        at_ms=each([request.at_ms for request in requests]),
        positions=np.concatenate(places).astype(np.uint16),
        labels=labels,
        weights=_weights(labels, negative_keep),
        probabilities=np.concatenate(
            [request.probabilities[at] for request, at in zip(requests, places, strict=True)]
        ),
        model_versions=each([request.model_version for request in requests]),
        vocab_versions=each([request.vocab_version for request in requests]),
        bins_versions=each([request.bins_version for request in requests]),
        engaged_append_ms=np.concatenate([piece.engaged_append_ms for piece in pieces]),
        provenances=each([request.provenance for request in requests]).astype(np.uint8),
    )
    return Closed(examples, each([piece.counted_ms for piece in pieces]))


def _weights(labels: U16, negative_keep: float) -> F32:
    weights = np.ones(len(labels), np.float32)
    negative = ~engaged(labels)
    weights[negative] = 1.0 / negative_keep if negative.any() else 1.0
    return weights

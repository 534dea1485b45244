"""Records of what was served: bags and vectors are packed once for the whole batch, then sliced by request."""

import numpy as np

from contracts.arrays import F32, U64
from contracts.columnar import CandidatesServed
from contracts.columns import FeatureColumns, Side
from contracts.records import TimelineRequest
from contracts.served import PackedBags, have_weights, pack_bags, pack_vectors
from featurestore.features import CANDIDATE_SIDE, FEATURE_SET, VIEWER_SIDE
from vocab.tokens.tokenizer import TOKENIZER_VERSION


class ServedLog:
    """The s served candidates of a batch of m requests, request by request, in the order served.

    features: of the served candidates, with m viewers. tweet_ids, author_ids: uint64[s]. probabilities: float32[s].
    versions: of the model, its vocabulary and its bins.
    """

    def __init__(
        self,
        features: FeatureColumns,
        tweet_ids: U64,
        author_ids: U64,
        probabilities: F32,
        ranker: str,
        versions: tuple[int, int, int],
    ) -> None:
        self._features = features
        self._tweet_ids = tweet_ids
        self._author_ids = author_ids
        self._probabilities = probabilities
        self._ranker = ranker
        self._versions = versions
        self._viewers = _PackedRows(pack_bags(features.viewer_keys, VIEWER_SIDE), VIEWER_SIDE)
        self._candidates = _PackedRows(pack_bags(features.candidate_keys, CANDIDATE_SIDE), CANDIDATE_SIDE)
        self._viewer_vectors = pack_vectors(features.viewer_vectors, VIEWER_SIDE)
        self._candidate_vectors = pack_vectors(features.candidate_vectors, CANDIDATE_SIDE)

    def record(self, request: TimelineRequest, viewer: int, rows: slice) -> CandidatesServed:
        """The record of one request, with row `viewer` of the viewers and rows `rows` of the served candidates."""
        of_viewer, of_candidates = self._viewers[slice(viewer, viewer + 1)], self._candidates[rows]
        model_version, vocab_version, bins_version = self._versions
        return CandidatesServed(
            request_id=request.request_id,
            viewer_id=request.viewer_id,
            at_ms=request.at_ms,
            ranker=self._ranker,
            model_version=model_version,
            vocab_version=vocab_version,
            bins_version=bins_version,
            tokenizer=TOKENIZER_VERSION,
            feature_set=FEATURE_SET,
            provenance=request.provenance,
            tweet_ids=self._tweet_ids[rows],
            author_ids=self._author_ids[rows],
            probabilities=self._probabilities[rows],
            viewer_dense=self._features.viewer_dense[viewer],
            viewer_lengths=of_viewer.lengths,
            viewer_keys=of_viewer.keys,
            viewer_weights=of_viewer.weights,
            viewer_vectors=_rows_of(self._viewer_vectors, slice(viewer, viewer + 1), VIEWER_SIDE.vector_width),
            candidate_dense=self._features.candidate_dense[rows].reshape(-1),
            candidate_lengths=of_candidates.lengths,
            candidate_keys=of_candidates.keys,
            candidate_weights=of_candidates.weights,
            candidate_vectors=_rows_of(self._candidate_vectors, rows, CANDIDATE_SIDE.vector_width),
        )


class _PackedRows:
    """Packed bags that can be sliced by row."""

    def __init__(self, packed: PackedBags, side: Side) -> None:
        self._packed = packed
        self._fields = len(side.fields)
        keys = np.concatenate([[0], np.cumsum(packed.lengths, dtype=np.int64)])[:: self._fields]
        weights = np.concatenate([[0], np.cumsum(have_weights(packed.lengths, side))])[keys]
        self._key_starts: list[int] = keys.tolist()
        self._weight_starts: list[int] = weights.tolist()

    def __getitem__(self, rows: slice) -> PackedBags:
        begin, end = rows.start, rows.stop
        return PackedBags(
            self._packed.lengths[begin * self._fields : end * self._fields],
            self._packed.keys[self._key_starts[begin] : self._key_starts[end]],
            self._packed.weights[self._weight_starts[begin] : self._weight_starts[end]],
        )


def _rows_of(packed: F32, rows: slice, width: int) -> F32:
    return packed[rows.start * width : rows.stop * width]

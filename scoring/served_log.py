"""What was served, as records: one packing of keys for a whole batch, then slices of it per request."""

import numpy as np
from numpy.typing import NDArray

from contracts.columns import FeatureColumns
from contracts.frames import CandidatesServed
from contracts.records import TimelineRequest
from contracts.served import pack_keys
from featurestore.features import CANDIDATE_SPLITS, FEATURE_SET, VIEWER_SPLITS
from vocab.tokens.tokenizer import TOKENIZER_VERSION


class ServedLog:
    """The served candidates of a batch of m requests, in the order served, request after request.

    features: the served rows alone, s of them, of m viewers. tweet_ids, author_ids: uint64[s]. probabilities:
    float32[s]. versions: of the model, its vocabulary and its bins.
    """

    def __init__(
        self,
        features: FeatureColumns,
        tweet_ids: NDArray[np.uint64],
        author_ids: NDArray[np.uint64],
        probabilities: NDArray[np.float32],
        ranker: str,
        versions: tuple[int, int, int],
    ) -> None:
        self._features = features
        self._tweet_ids = tweet_ids
        self._author_ids = author_ids
        self._probabilities = probabilities
        self._ranker = ranker
        self._versions = versions
        self._viewers = _PackedRows(*pack_keys(features.viewer_keys, VIEWER_SPLITS), len(VIEWER_SPLITS))
        self._candidates = _PackedRows(*pack_keys(features.candidate_keys, CANDIDATE_SPLITS), len(CANDIDATE_SPLITS))

    def record(self, request: TimelineRequest, viewer: int, rows: slice) -> CandidatesServed:
        """The record of one request: row `viewer` of the viewers, and `rows` of the served candidates."""
        viewer_lengths, viewer_keys = self._viewers[slice(viewer, viewer + 1)]
        candidate_lengths, candidate_keys = self._candidates[rows]
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
            viewer_lengths=viewer_lengths,
            viewer_keys=viewer_keys,
            candidate_dense=self._features.candidate_dense[rows].reshape(-1),
            candidate_lengths=candidate_lengths,
            candidate_keys=candidate_keys,
        )


class _PackedRows:
    """Rows of packed keys (see `pack_keys`), cut by row."""

    def __init__(self, lengths: NDArray[np.uint8], keys: NDArray[np.uint64], splits: int) -> None:
        self._lengths = lengths
        self._keys = keys
        self._splits = splits
        ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self._key_starts: list[int] = ends[::splits].tolist()

    def __getitem__(self, rows: slice) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
        lengths = self._lengths[rows.start * self._splits : rows.stop * self._splits]
        return lengths, self._keys[self._key_starts[rows.start] : self._key_starts[rows.stop]]

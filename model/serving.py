"""The model in serving: scores features with a snapshot, by numpy and numba. torch is never imported.

A score depends only on the viewer, the candidate and the snapshot, so it has the same bits in any batch (see
`model/kernels/ranking`). Features are encoded with the vocabulary and bins in the snapshot, never with live ones.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32
from contracts.bags import Rows
from contracts.columns import FeatureColumns
from contracts.records import Reason
from featurestore.encoding.encode import encode
from featurestore.features import CANDIDATE_FIELDS, VIEWER_FIELDS
from model.explain import explanations
from model.kernels.bags import as_arrays
from model.kernels.ranking import Weights, score_candidates, score_viewers
from model.snapshot import Manifest, Snapshot
from transport.ports.executor import StartThreads
from transport.ports.files import Files
from transport.system.disk import DISK
from vocab.replica.vocabulary import FrozenVocabulary


class Predictor:
    """Scores candidates with one snapshot. Safe to call from several threads at once.

    With `threads` > 1 they share the candidates of a batch. That changes the time it takes, and no bit of the result.
    """

    def __init__(
        self, snapshot: Snapshot, threads: int = 1, start_threads: StartThreads = ThreadPoolExecutor
    ) -> None:
        self._snapshot = snapshot
        self._weights = Weights.from_arrays(snapshot.weights, snapshot.manifest.config)
        self._threads = threads
        self._pool = start_threads(threads, "predictor") if threads > 1 else None

    @staticmethod
    def load(path: str | Path, threads: int = 1, files: Files = DISK) -> "Predictor":
        """The predictor of the snapshot in folder `path` of `files`. Raises `SnapshotInvalid`."""
        return Predictor(Snapshot.load(Path(path), files), threads)

    @property
    def manifest(self) -> Manifest:
        """What is being served: name, version, vocabulary and bins versions, offsets, figures."""
        return self._snapshot.manifest

    @property
    def vocabulary(self) -> FrozenVocabulary:
        """The vocabulary that features are encoded with."""
        return self._snapshot.vocabulary

    def close(self) -> None:
        """End the threads, if there are any."""
        if self._pool:
            self._pool.shutdown()

    def score(self, features: FeatureColumns) -> F32:
        """float32[n]: calibrated probability that the viewer engages, as if shown in place 0."""
        return self._run(features)[1]

    def logits(self, features: FeatureColumns) -> F32:
        """float32[n]: the log-odds before calibration."""
        return self._run(features)[0]

    def explain(self, features: FeatureColumns, rows: NDArray[np.integer], top: int = 3) -> list[list[Reason]]:
        """What drove the scores of candidates `rows`: for each the `top` reasons, strongest first.

        A reason's `log_odds` is the log-odds with the feature minus the log-odds without it; positive raised the
        score. Without it a dense feature is missing, a field is an empty bag, a vector zeros.
        """
        return explanations(features, rows, self.logits, top)

    def _run(self, features: FeatureColumns) -> tuple[F32, F32]:
        """(logits float32[n], probabilities float32[n])."""
        inputs = encode(features, self._snapshot.vocabulary, self._snapshot.bins)
        weights, calibrator = self._weights, self._snapshot.calibrator
        m, n = len(inputs.viewer_bins), len(inputs)
        interaction = np.empty((m, self.manifest.config.viewer_width), np.float32)
        hidden = np.empty((m, len(weights.hidden1_bias)), np.float32)
        first_order = np.empty(m, np.float32)
        viewer, history = (_bags(inputs.viewer_slots[field]) for field in VIEWER_FIELDS)
        text, tags, author, subwords = (_bags(inputs.candidate_slots[field]) for field in CANDIDATE_FIELDS)
        viewer_row = _own(inputs.viewer_row)
        viewer_vectors, candidate_vectors = inputs.vector_matrices()
        score_viewers(inputs.viewer_bins, viewer_vectors, viewer, history, weights, interaction, hidden, first_order)
        logits, probabilities = np.empty(n, np.float32), np.empty(n, np.float32)

        def share(begin: int, end: int) -> None:
            score_candidates(
                begin,
                end,
                viewer_row,
                inputs.candidate_bins,
                candidate_vectors,
                text,
                tags,
                author,
                subwords,
                interaction,
                hidden,
                first_order,
                weights,
                calibrator.x,
                calibrator.y,
                logits,
                probabilities,
            )

        if self._pool is None:
            share(0, n)
        else:
            cuts = [n * i // self._threads for i in range(self._threads + 1)]
            for done in [self._pool.submit(share, begin, end) for begin, end in pairwise(cuts)]:
                done.result()
        return logits, probabilities


def _bags(slots: Rows) -> tuple[NDArray[Any], ...]:
    offsets, rows, weights = as_arrays(slots)
    return _own(offsets), _own(rows), _own(weights)


def _own(array: NDArray[Any]) -> NDArray[Any]:
    """The array, or a copy that is writable and contiguous. numba would compile the kernels again for other arrays,
    such as decoded ones, which are read-only."""
    return array if array.flags.carray else array.copy()

"""Serving in plain numpy, float64 inside: the definition of a logit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, F64, I32
from contracts.bags import Bags, Rows
from model.config import CANDIDATE_PARTS, CROSSES, VIEWER_PARTS
from model.kernels.bags.reference import pool
from model.kernels.ranking.weights import Weights


def logits(
    viewer_row: NDArray[np.integer],  # [n]
    viewer_bins: I32,  # [m, viewer features]
    candidate_bins: I32,  # [n, candidate features]
    viewer_vectors: F32,  # [m, width of all]
    candidate_vectors: F32,  # [n, width of all]
    bags: Mapping[str, Rows],  # per field
    weights: Weights,
) -> F64:
    """float64[n]."""
    parts: dict[str, NDArray[Any]] = {"viewer_vectors": viewer_vectors, "candidate_vectors": candidate_vectors}
    first_order: dict[str, F64] = {}
    for field, of_field in bags.items():
        parts[field], first_order[field] = pool(of_field, weights.embedding, weights.linear)
    for name, rows in (("viewer_bins", viewer_bins), ("candidate_bins", candidate_bins)):
        parts[name], first_order[name] = pool(Bags.of_matrix(rows), weights.bin_embedding, weights.bin_linear)
    for name in VIEWER_PARTS:
        parts[name] = parts[name][viewer_row]
    for name in first_order.keys() & set(VIEWER_PARTS):
        first_order[name] = first_order[name][viewer_row]
    crosses = np.concatenate([parts[left] * parts[right] for left, right in CROSSES], axis=1)
    interaction = np.concatenate([*(parts[name] for name in (*VIEWER_PARTS, *CANDIDATE_PARTS)), crosses], axis=1)
    layer = np.concatenate([weights.viewer_layer, weights.candidate_layer])
    hidden = np.maximum(_times(interaction, layer) + weights.hidden1_bias, 0)
    hidden = np.maximum(_times(hidden, weights.hidden2_layer) + weights.hidden2_bias, 0)
    direct = sum(first_order.values()) + _times(crosses, weights.cross_weights) + np.float64(weights.bias)
    return np.asarray(direct + _times(hidden, weights.output), np.float64)


def _times(left: F64, right: NDArray[Any]) -> F64:
    return np.asarray(left @ right.astype(np.float64))

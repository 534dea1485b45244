"""Serving in plain numpy, float64 inside: the definition of a logit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.config import CROSSES
from model.kernels.bags.reference import pool
from model.kernels.ranking.weights import Weights

Bags = tuple[NDArray[np.int64], NDArray[np.int32]]  # (offsets [n + 1], slots)


def logits(
    viewer_row: NDArray[np.integer],  # [n]
    viewer_bins: NDArray[np.int32],  # [m, viewer features]
    candidate_bins: NDArray[np.int32],  # [n, candidate features]
    bags: Mapping[str, Bags],  # per split
    weights: Weights,
) -> NDArray[np.float64]:
    """float64[n]."""
    pooled: dict[str, NDArray[np.float64]] = {}
    first_order: dict[str, NDArray[np.float64]] = {}
    for split, (offsets, slots) in bags.items():
        pooled[split], first_order[split] = pool(offsets, slots, weights.embedding, weights.linear)
    for name, rows in (("viewer_bins", viewer_bins), ("candidate_bins", candidate_bins)):
        pooled[name], first_order[name] = pool(*as_bags(rows), weights.bin_embedding, weights.bin_linear)
    for name in ("viewer", "history", "viewer_bins"):
        pooled[name], first_order[name] = pooled[name][viewer_row], first_order[name][viewer_row]
    crosses = np.concatenate([pooled[left] * pooled[right] for left, right in CROSSES], axis=1)
    parts = ("viewer", "history", "viewer_bins", "text", "tags", "author", "subwords", "candidate_bins")
    glue = np.concatenate([*(pooled[name] for name in parts), crosses], axis=1)
    layer = np.concatenate([weights.viewer_layer, weights.candidate_layer])
    hidden = np.maximum(_times(glue, layer) + weights.hidden1_bias, 0)
    hidden = np.maximum(_times(hidden, weights.hidden2_layer) + weights.hidden2_bias, 0)
    direct = sum(first_order[name] for name in parts) + _times(crosses, weights.taste) + np.float64(weights.bias)
    return np.asarray(direct + _times(hidden, weights.output), np.float64)


def as_bags(rows: NDArray[np.int32]) -> Bags:
    """A matrix of rows [n, k] as n bags of k."""
    return np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1], np.ascontiguousarray(rows).reshape(-1)


def _times(left: NDArray[np.float64], right: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(left @ right.astype(np.float64))

"""What drove a score: leave out each feature in turn, score again, and compare the log-odds.

Exact for the model as it is, without gradients or sampling, and through the one encoding. A dense feature that is
left out is missing, a field is an empty bag, a vector zeros. Each feature costs one score per candidate, so it is
meant for the few candidates that are shown.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32
from contracts.bags import Bags, Keys
from contracts.columns import MISSING, FeatureColumns
from contracts.records import Reason
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, VIEWER_DENSE, VIEWER_SIDE

_NAMES = (
    *(feature.name for feature in VIEWER_DENSE),
    *(feature.name for feature in CANDIDATE_DENSE),
    *VIEWER_SIDE.fields,
    *CANDIDATE_SIDE.fields,
    *(name for name, _ in VIEWER_SIDE.vectors),
    *(name for name, _ in CANDIDATE_SIDE.vectors),
)


def explanations(
    features: FeatureColumns,
    rows: NDArray[np.integer],  # [k], the candidates to explain
    score: Callable[[FeatureColumns], F32],  # logits
    top: int,
) -> list[list[Reason]]:
    """For each row the `top` features that change the log-odds most, largest change first; those that change nothing
    are left out."""
    if not len(rows):
        return []
    chosen = _one_viewer_a_row(features, rows)
    variants = FeatureColumns.concatenate([chosen, *_without_each(chosen)])
    table = score(variants).reshape(-1, len(rows)).astype(np.float64)
    changes = table[0] - table[1:]  # [features, k]
    reasons = []
    for column in changes.T:
        order = np.argsort(-np.abs(column), kind="stable")[:top]
        reasons.append([Reason(feature=_NAMES[i], log_odds=float(column[i])) for i in order if column[i] != 0])
    return reasons


def _one_viewer_a_row(features: FeatureColumns, rows: NDArray[np.integer]) -> FeatureColumns:
    """The candidates of `rows`, each with its own copy of the viewer."""
    chosen = features.take(rows)
    return chosen.take_viewers(chosen.viewer_row, np.arange(len(rows), dtype=np.int32))


def _without_each(features: FeatureColumns) -> Iterator[FeatureColumns]:
    """For each feature, in the order of `_NAMES`, all candidates without it."""
    for column in range(len(VIEWER_DENSE)):
        yield replace(features, viewer_dense=_missing(features.viewer_dense, column))
    for column in range(len(CANDIDATE_DENSE)):
        yield replace(features, candidate_dense=_missing(features.candidate_dense, column))
    for field in VIEWER_SIDE.fields:
        yield replace(features, viewer_keys=_emptied(features.viewer_keys, field))
    for field in CANDIDATE_SIDE.fields:
        yield replace(features, candidate_keys=_emptied(features.candidate_keys, field))
    for name, _ in VIEWER_SIDE.vectors:
        yield replace(features, viewer_vectors=_zeroed(features.viewer_vectors, name))
    for name, _ in CANDIDATE_SIDE.vectors:
        yield replace(features, candidate_vectors=_zeroed(features.candidate_vectors, name))


def _missing(dense: F32, column: int) -> F32:
    changed = dense.copy()
    changed[:, column] = MISSING
    return changed


def _emptied(bags: Mapping[str, Keys], field: str) -> dict[str, Keys]:
    return {**bags, field: Bags.empty(len(bags[field]), np.uint64)}


def _zeroed(vectors: Mapping[str, F32], name: str) -> dict[str, F32]:
    return {**vectors, name: np.zeros_like(vectors[name])}

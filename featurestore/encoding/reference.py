"""`encode()` one value at a time, slow and plain: the definition that tests compare the fast version with."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from contracts.arrays import F32, I32
from contracts.bags import Bags, Keys, Rows
from contracts.columns import MISSING, FeatureColumns
from featurestore.bins.edge_table import (
    BIN_STRIDE,
    INFINITY_BIN,
    MINUS_INFINITY_BIN,
    MISSING_BIN,
    NAN_BIN,
    ORDINARY,
    ZERO_BIN,
)
from featurestore.bins.replica import FrozenBins
from featurestore.declarations import Feature
from featurestore.encoding.encode import REGIONS, ModelInputs
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, NUMBER, VIEWER_DENSE, VIEWER_SIDE
from vocab.slot_layout import Region

if TYPE_CHECKING:
    from vocab.replica.vocabulary import FrozenVocabulary


def encode_reference(features: FeatureColumns, vocabulary: "FrozenVocabulary", bins: FrozenBins) -> ModelInputs:
    """As `encode`, without its checks."""
    return ModelInputs(
        viewer_row=features.viewer_row,
        viewer_bins=_rows(features.viewer_dense, VIEWER_DENSE, bins),
        candidate_bins=_rows(features.candidate_dense, CANDIDATE_DENSE, bins),
        viewer_slots=_slots(features.viewer_keys, vocabulary),
        candidate_slots=_slots(features.candidate_keys, vocabulary),
        viewer_vectors={name: features.viewer_vectors[name] for name, _ in VIEWER_SIDE.vectors},
        candidate_vectors={name: features.candidate_vectors[name] for name, _ in CANDIDATE_SIDE.vectors},
    )


def bin_of(value: np.float32, edges: list[float]) -> int:
    """The bin of one value."""
    if value.tobytes() == MISSING.tobytes():
        return MISSING_BIN
    if math.isnan(value):
        return NAN_BIN
    if math.isinf(value):
        return INFINITY_BIN if value > 0 else MINUS_INFINITY_BIN
    if value == 0:
        return ZERO_BIN
    return ORDINARY + sum(edge <= float(value) for edge in edges)


def _rows(values: F32, features: tuple[Feature, ...], bins: FrozenBins) -> I32:
    rows = np.zeros((len(values), len(features)), np.int32)
    for i in range(len(values)):
        for j, feature in enumerate(features):
            number = NUMBER[feature.name]
            edges = bins.edges.get(number, np.empty(0, np.float32)).tolist()
            rows[i, j] = number * BIN_STRIDE + bin_of(values[i, j], edges)
    return rows


def _slots(keys: Mapping[str, Keys], vocabulary: "FrozenVocabulary") -> dict[str, Rows]:
    return {
        field: Bags(
            bags.offsets,
            np.array([_slot(key, REGIONS[field], vocabulary) for key in bags.ids], np.int32),
            bags.weights,
        )
        for field, bags in keys.items()
    }


def _slot(key: np.uint64, region: Region, vocabulary: "FrozenVocabulary") -> int:
    return int(vocabulary.lookup(np.array([key]), np.array([region], np.uint8))[0])

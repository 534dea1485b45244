"""What `encode()` means, one value at a time. Slow and plain: tests hold the fast one against it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contracts.columns import FeatureColumns, Ragged
from featurestore.bins import BinsView
from featurestore.edge_table import BIN_STRIDE, INFINITY, MINUS_INFINITY, MISSING, ORDINARY, ZERO
from featurestore.encoding import REGIONS, ModelInputs, Slots
from featurestore.features import CANDIDATE_DENSE, NUMBER, VIEWER_DENSE, Continuous
from vocab.layout import Region

if TYPE_CHECKING:
    from vocab.vocabulary import VocabularyView


def encode_reference(features: FeatureColumns, vocabulary: "VocabularyView", bins: BinsView) -> ModelInputs:
    """As `encode`."""
    return ModelInputs(
        viewer_row=features.viewer_row,
        viewer_bins=_rows(features.viewer_dense.tolist(), VIEWER_DENSE, bins),
        candidate_bins=_rows(features.candidate_dense.tolist(), CANDIDATE_DENSE, bins),
        viewer_slots=_slots(features.viewer_keys, vocabulary),
        candidate_slots=_slots(features.candidate_keys, vocabulary),
    )


def bin_of(value: float, edges: list[float]) -> int:
    """The bin of one value, a float32 as a Python float."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return INFINITY if value > 0 else MINUS_INFINITY
    if value == 0:
        return ZERO
    return ORDINARY + sum(edge <= value for edge in edges)


def _rows(values: list[list[float]], features: tuple[Continuous, ...], bins: BinsView) -> NDArray[np.int32]:
    rows = np.zeros((len(values), len(features)), np.int32)
    for i, of_row in enumerate(values):
        for j, (feature, value) in enumerate(zip(features, of_row, strict=True)):
            number = NUMBER[feature.name]
            edges = bins.edges.get(number, np.empty(0, np.float32)).tolist()
            rows[i, j] = number * BIN_STRIDE + bin_of(value, edges)
    return rows


def _slots(keys: Mapping[str, Ragged], vocabulary: "VocabularyView") -> dict[str, Slots]:
    return {
        split: Slots(
            bags.offsets,
            np.array([_slot(key, REGIONS[split], vocabulary) for key in bags.keys], np.int32),
        )
        for split, bags in keys.items()
    }


def _slot(key: np.uint64, region: Region, vocabulary: "VocabularyView") -> int:
    return int(vocabulary.lookup(np.array([key]), np.array([region], np.uint8))[0])

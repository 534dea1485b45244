"""`encode()`: from features to the model's inputs, with a vocabulary and bins at a version.

Trainer, scorer, backfill and parity checks all encode with this one function. `reference.py` defines the result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from contracts.arrays import F32, I32
from contracts.bags import Bags, Rows
from contracts.columns import FeatureColumns, Side
from featurestore.bins.replica import BIN_ROWS, FrozenBins
from featurestore.features import CANDIDATE_FIELDS, CANDIDATE_SIDE, VIEWER_FIELDS, VIEWER_SIDE
from vocab.slot_layout import Region
from vocab.sorted_keys import read_only

if TYPE_CHECKING:
    from vocab.replica.vocabulary import FrozenVocabulary


__all__ = ["BIN_ROWS", "REGIONS", "ModelInputs", "encode"]

# The region in which a field's rare keys share rows: `REGION_OF` (vocab/slot_layout.py) of the field's namespaces.
REGIONS = {
    "viewer": Region.VIEWER,
    "history": Region.NAMES,
    "text": Region.TEXT,
    "tags": Region.NAMES,
    "author": Region.NAMES,
    "subwords": Region.TEXT,
}


_REGIONS = read_only(np.array([REGIONS[field] for field in (*VIEWER_FIELDS, *CANDIDATE_FIELDS)], np.uint8))


# This class and its bags are not frozen: encoding one example, some 17 us, would take 1 us longer.
@dataclass(slots=True)
class ModelInputs:
    """The model's inputs for n candidates of m viewers.

    viewer_row: int32[n], the row of each candidate's viewer, below m.
    viewer_bins: int32[m, len(VIEWER_DENSE)], candidate_bins: int32[n, len(CANDIDATE_DENSE)]: rows of the bin table,
    below BIN_ROWS.
    viewer_slots, candidate_slots: by field, m and n bags of rows of the vocabulary's table.
    viewer_vectors, candidate_vectors: by name in declared order, float32[m, its width] and float32[n, its width].
    """

    viewer_row: I32
    viewer_bins: I32
    candidate_bins: I32
    viewer_slots: Mapping[str, Rows]
    candidate_slots: Mapping[str, Rows]
    viewer_vectors: Mapping[str, F32]
    candidate_vectors: Mapping[str, F32]

    def __len__(self) -> int:
        return len(self.viewer_row)

    def slice(self, begin: int, end: int) -> "ModelInputs":
        """Candidates begin to end (at least one) with their viewers, renumbered from 0. Ids and values are views."""
        viewer_row = self.viewer_row[begin:end]
        first, last = int(viewer_row.min()), int(viewer_row.max()) + 1
        return ModelInputs(
            viewer_row=viewer_row - np.int32(first),
            viewer_bins=self.viewer_bins[first:last],
            candidate_bins=self.candidate_bins[begin:end],
            viewer_slots={field: bags.slice(first, last) for field, bags in self.viewer_slots.items()},
            candidate_slots={field: bags.slice(begin, end) for field, bags in self.candidate_slots.items()},
            viewer_vectors={name: vectors[first:last] for name, vectors in self.viewer_vectors.items()},
            candidate_vectors={name: vectors[begin:end] for name, vectors in self.candidate_vectors.items()},
        )

    def vector_matrices(self) -> tuple[F32, F32]:
        """(float32[m, width of all], float32[n, width of all]): the vectors of each viewer, and of each candidate, in
        declared order; new and C-contiguous."""
        viewer, candidate = np.empty((len(self.viewer_bins), 0), np.float32), np.empty((len(self), 0), np.float32)
        return (
            np.concatenate([viewer, *self.viewer_vectors.values()], axis=1),
            np.concatenate([candidate, *self.candidate_vectors.values()], axis=1),
        )


def encode(features: FeatureColumns, vocabulary: "FrozenVocabulary", bins: FrozenBins) -> ModelInputs:
    """The model's inputs for these features. Pure: one look-up for all keys, one pass over each side's dense values.

    Raises `ValueError` if a dense column or a declared vector is absent or has another width, and if a row or an
    offset points outside its array.
    """
    features.check()
    bags = [features.viewer_keys[field] for field in VIEWER_FIELDS]
    bags += [features.candidate_keys[field] for field in CANDIDATE_FIELDS]
    keys = [bag.ids for bag in bags]
    ends = list(accumulate(map(len, keys)))
    slots = vocabulary.lookup(np.concatenate(keys), _REGIONS, np.array(ends))
    found, begin = [], 0
    for bag, end in zip(bags, ends, strict=True):
        found.append(Bags(bag.offsets, slots[begin:end], bag.weights))
        begin = end
    return ModelInputs(
        viewer_row=features.viewer_row,
        viewer_bins=bins.viewer.discretize(features.viewer_dense),
        candidate_bins=bins.candidate.discretize(features.candidate_dense),
        viewer_slots=dict(zip(VIEWER_FIELDS, found, strict=False)),
        candidate_slots=dict(zip(CANDIDATE_FIELDS, found[len(VIEWER_FIELDS) :], strict=True)),
        viewer_vectors=_vectors(features.viewer_vectors, VIEWER_SIDE),
        candidate_vectors=_vectors(features.candidate_vectors, CANDIDATE_SIDE),
    )


def _vectors(given: Mapping[str, F32], side: Side) -> dict[str, F32]:
    """The declared vectors of a side, not copied. Raises `ValueError` for one that is absent or of another width."""
    declared = {}
    for name, width in side.vectors:
        vectors = given.get(name)
        if vectors is None or vectors.shape[1] != width:
            raise ValueError(f"features without the vector {name}, which is {width} wide")
        declared[name] = vectors
    return declared

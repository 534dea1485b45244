"""`encode()`: features, a vocabulary and bins at a version in; what the model takes out. The only way from one to the
other, for trainer, scorer, backfill and parity alike. `encoding_reference.py` says the same slowly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contracts.columns import FeatureColumns, Ragged
from featurestore.bins import BIN_ROWS, BIN_STRIDE, BinsView
from featurestore.features import CONTINUOUS, VIEWER_DENSE

if TYPE_CHECKING:
    from vocab.vocabulary import VocabularyView

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

__all__ = ["BIN_ROWS", "ModelInputs", "Slots", "encode"]

_VIEWER = np.arange(len(VIEWER_DENSE))
_CANDIDATE = np.arange(len(VIEWER_DENSE), len(CONTINUOUS))


@dataclass(frozen=True, slots=True)
class Slots:
    """n bags of slots: bag i is `slots[offsets[i]:offsets[i+1]]`. offsets: int64[n+1]. slots: int32[offsets[-1]]."""

    offsets: I64
    slots: I32

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What the model takes of n candidates of m viewers.

    viewer_row: int32[n]. viewer_bins: int32[m, len(VIEWER_DENSE)] and candidate_bins: int32[n, len(CANDIDATE_DENSE)],
    rows of the bin table, below BIN_ROWS. viewer_slots, candidate_slots: per split, m and n bags.
    """

    viewer_row: I32
    viewer_bins: I32
    candidate_bins: I32
    viewer_slots: Mapping[str, Slots]
    candidate_slots: Mapping[str, Slots]

    def __len__(self) -> int:
        return len(self.viewer_row)


def encode(features: FeatureColumns, vocabulary: "VocabularyView", bins: BinsView) -> ModelInputs:
    """Pure; one look-up for the keys of all splits, two searches for the bins."""
    bags = [*features.viewer_keys.values(), *features.candidate_keys.values()]
    slots = vocabulary.lookup(np.concatenate([bag.keys for bag in bags]))
    ends = np.cumsum([len(bag.keys) for bag in bags]).tolist()
    parts = [slots[end - len(bag.keys) : end] for bag, end in zip(bags, ends, strict=True)]
    viewers = len(features.viewer_keys)
    return ModelInputs(
        viewer_row=features.viewer_row,
        viewer_bins=bins.assign(_VIEWER, features.viewer_dense) + (_VIEWER * BIN_STRIDE).astype(np.int32),
        candidate_bins=bins.assign(_CANDIDATE, features.candidate_dense) + (_CANDIDATE * BIN_STRIDE).astype(np.int32),
        viewer_slots=_bags(features.viewer_keys, parts[:viewers]),
        candidate_slots=_bags(features.candidate_keys, parts[viewers:]),
    )


def _bags(keys: Mapping[str, Ragged], slots: list[I32]) -> dict[str, Slots]:
    return {split: Slots(bags.offsets, part) for (split, bags), part in zip(keys.items(), slots, strict=True)}

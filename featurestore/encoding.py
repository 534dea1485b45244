"""`encode()`: features, a vocabulary and bins at a version in; what the model takes out. The only way from one to the
other, for trainer, scorer, backfill and parity alike. `encoding_reference.py` says the same slowly."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from contracts.columns import FeatureColumns, Ragged
from featurestore.bins import BIN_ROWS, BinsView
from vocab.layout import Region

if TYPE_CHECKING:
    from vocab.vocabulary import VocabularyView

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

__all__ = ["BIN_ROWS", "REGIONS", "ModelInputs", "Slots", "encode"]


# Where the rare keys of a split share rows: `layout.REGION_OF` the namespaces that it may hold.
REGIONS = {
    "viewer": Region.VIEWER,
    "history": Region.NAMES,
    "text": Region.TEXT,
    "tags": Region.NAMES,
    "author": Region.NAMES,
}


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
    regions = [REGIONS[split] for split in (*features.viewer_keys, *features.candidate_keys)]
    slots = vocabulary.lookup(
        np.concatenate([bag.keys for bag in bags]),
        np.repeat(np.array(regions, np.uint8), [len(bag.keys) for bag in bags]),
    )
    viewer_slots, end = _bags(features.viewer_keys, slots, 0)
    candidate_slots, end = _bags(features.candidate_keys, slots, end)
    return ModelInputs(
        viewer_row=features.viewer_row,
        viewer_bins=bins.viewer.discretize(features.viewer_dense),
        candidate_bins=bins.candidate.discretize(features.candidate_dense),
        viewer_slots=viewer_slots,
        candidate_slots=candidate_slots,
    )


def _bags(keys: Mapping[str, Ragged], slots: I32, begin: int) -> tuple[dict[str, Slots], int]:
    """Every split's own part of `slots`, from `begin` on, as views; and where the last one ends."""
    found = {}
    for split, bags in keys.items():
        end = begin + bags.keys.size
        found[split] = Slots(bags.offsets, slots[begin:end])
        begin = end
    return found, begin

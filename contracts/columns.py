"""Features of many candidates as columns: the same layout for serving, logging, joining and learning.

The viewer's features are held once per request; `viewer_row` says which viewer a candidate belongs to. Columns hold
keys, never slots.

An unknown dense value is `MISSING`: one particular NaN, recognized by its bits. R distinguishes `NA_real_` from `NaN`
in the same way, with the same payload, 1954 (`R_ValueOfNA`, `R_IsNA` in its arithmetic.c). Any other NaN, most often
0x7FC00000 or 0xFFC00000, comes from a computation and means an error upstream. Copying keeps the bits, and so does
converting to float64 and back. Arithmetic may lose them, so nothing is computed from values that may be missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, I32, U32, Bools
from contracts.bags import Bags, Keys

MISSING_BITS = np.uint32(0x7FC00000 | 1954)  # quiet, so that no conversion changes it
MISSING: np.float32 = MISSING_BITS.view(np.float32)


def is_missing(values: F32) -> Bools:
    """bool[...]: which values are `MISSING`. Raises `ValueError` for another dtype than float32."""
    return np.asarray(_bits(values) == MISSING_BITS)


def is_nan(values: F32) -> Bools:
    """bool[...]: which values are NaN and not `MISSING`. Raises `ValueError` for another dtype than float32."""
    return np.asarray(np.isnan(values) & (_bits(values) != MISSING_BITS))


def _bits(values: F32) -> U32:
    if values.dtype != np.float32:
        raise ValueError(f"MISSING is known by the bits of a float32, not of {values.dtype}")
    return values.view(np.uint32)


@dataclass(frozen=True, slots=True)
class Side:
    """The sparse fields and vectors of one side of a request (the viewer or the candidates), in wire order.

    fields: names of the bags of keys. weighted: the fields whose keys have weights. vectors: (name, width) of each.
    """

    fields: tuple[str, ...]
    weighted: tuple[str, ...] = ()
    vectors: tuple[tuple[str, int], ...] = ()

    @property
    def vector_width(self) -> int:
        """Total number of elements of a row's vectors."""
        return sum(width for _, width in self.vectors)

    def zero_vectors(self, rows: int) -> dict[str, F32]:
        """All vectors of `rows` rows as zeros, which means not known."""
        return {name: np.zeros((rows, width), np.float32) for name, width in self.vectors}


@dataclass(frozen=True, slots=True)
class FeatureColumns:
    """Features of n candidates of m viewers.

    viewer_row: int32[n], the row of each candidate's viewer, below m.
    viewer_dense: float32[m, number of viewer features], raw values (not bins), `MISSING` = not known.
    candidate_dense: float32[n, number of candidate features], likewise.
    viewer_keys, candidate_keys: by field, m and n bags.
    viewer_vectors, candidate_vectors: by name, float32[m, its width] and float32[n, its width], finite; zeros = not
    known.
    """

    viewer_row: I32
    viewer_dense: F32
    viewer_keys: Mapping[str, Keys]
    candidate_dense: F32
    candidate_keys: Mapping[str, Keys]
    viewer_vectors: Mapping[str, F32] = field(default_factory=dict)
    candidate_vectors: Mapping[str, F32] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.viewer_row)

    def take(self, rows: NDArray[np.integer]) -> "FeatureColumns":
        """The candidates of `rows`, with all viewers."""
        return replace(
            self,
            viewer_row=self.viewer_row[rows],
            candidate_dense=self.candidate_dense[rows],
            candidate_keys={name: bags.take(rows) for name, bags in self.candidate_keys.items()},
            candidate_vectors={name: vectors[rows] for name, vectors in self.candidate_vectors.items()},
        )

    def take_viewers(self, viewers: NDArray[np.integer], viewer_row: I32) -> "FeatureColumns":
        """All candidates, with only the viewers of rows `viewers`, in that order; `viewer_row` is the new one."""
        return replace(
            self,
            viewer_row=viewer_row,
            viewer_dense=self.viewer_dense[viewers],
            viewer_keys={name: bags.take(viewers) for name, bags in self.viewer_keys.items()},
            viewer_vectors={name: vectors[viewers] for name, vectors in self.viewer_vectors.items()},
        )

    @staticmethod
    def concatenate(parts: Sequence["FeatureColumns"]) -> "FeatureColumns":
        """All candidates and viewers of `parts` (at least one), in order; a part may have no candidates."""
        before = np.cumsum([0] + [len(part.viewer_dense) for part in parts])
        first = parts[0]
        return FeatureColumns(
            viewer_row=np.concatenate(
                [part.viewer_row + np.int32(shift) for part, shift in zip(parts, before, strict=False)]
            ),
            viewer_dense=np.concatenate([part.viewer_dense for part in parts]),
            viewer_keys={
                name: Bags.concatenate([part.viewer_keys[name] for part in parts]) for name in first.viewer_keys
            },
            candidate_dense=np.concatenate(
                [part.candidate_dense for part in parts if len(part)] or [first.candidate_dense]
            ),
            candidate_keys={
                name: Bags.concatenate([part.candidate_keys[name] for part in parts]) for name in first.candidate_keys
            },
            viewer_vectors={
                name: np.concatenate([part.viewer_vectors[name] for part in parts]) for name in first.viewer_vectors
            },
            candidate_vectors={
                name: np.concatenate([part.candidate_vectors[name] for part in parts])
                for name in first.candidate_vectors
            },
        )

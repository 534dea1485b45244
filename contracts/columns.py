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

# Largest magnitude of a key's weight and of a vector's element. With the bounds of a model's own weights
# (`model/snapshot.py`) it keeps every sum of serving within float32.
MOST_MAGNITUDE = 100.0
MOST_KEYS = 255  # of one field of a viewer or of a candidate: their number travels in 8 bits

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
    viewer_keys, candidate_keys: by field, m and n bags of at most MOST_KEYS keys; weights up to +-MOST_MAGNITUDE.
    viewer_vectors, candidate_vectors: by name, float32[m, its width] and float32[n, its width], elements up to
    +-MOST_MAGNITUDE; zeros = not known.
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

    def check(self) -> None:
        """Raises `ValueError` if a row or an offset points outside its array. Compiled code does not look."""
        viewers, candidates = len(self.viewer_dense), len(self.candidate_dense)
        if len(self.viewer_row) != candidates:
            raise ValueError(f"{len(self.viewer_row)} viewer rows for {candidates} candidates")
        if candidates and self.viewer_row.astype(np.uint32).max() >= viewers:  # negative ones become large
            raise ValueError(f"viewer_row points outside the {viewers} viewers")
        sides = (
            (viewers, self.viewer_keys, self.viewer_vectors),
            (candidates, self.candidate_keys, self.candidate_vectors),
        )
        lengths = []
        for rows, bags, vectors in sides:
            for field_name, bag in bags.items():
                ids, offsets, weights = len(bag.ids), bag.offsets, bag.weights
                if len(bag) != rows or offsets[0] != 0 or offsets[-1] != ids:
                    raise ValueError(f"the bags of {field_name} are not {rows} bags of its {ids} keys")
                if weights is not None and len(weights) != ids:
                    raise ValueError(f"{len(weights)} weights for the {ids} keys of {field_name}")
                lengths.append(offsets[1:] - offsets[:-1])
            for name, values in vectors.items():
                if len(values) != rows:
                    raise ValueError(f"{len(values)} vectors {name} for {rows} rows")
        of_all = np.concatenate([np.zeros(1, np.int64), *lengths])
        if of_all.view(np.uint64).max() > MOST_KEYS:
            raise ValueError(f"a bag of {of_all.min()} or {of_all.max()} keys, where 0 to {MOST_KEYS} may be")

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

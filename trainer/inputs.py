"""Encoded inputs, cut into batches: views, no copies of slots."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from contracts.arrays import F32, I32
from contracts.bags import Bags, Rows
from featurestore.encoding.encode import ModelInputs
from model.vectors import side_by_side


@dataclass(frozen=True, slots=True)
class Slice:
    """Some candidates and the viewers they need. `bags` by split; `bin_bags`: "viewer_bins" and "candidate_bins"."""

    viewer_row: I32  # [candidates], among the viewers of the slice
    bags: dict[str, Rows]
    bin_bags: dict[str, Rows]
    viewer_vectors: F32  # [viewers, width of all]
    candidate_vectors: F32  # [candidates, width of all]


def slices(inputs: ModelInputs, most: int) -> Iterator[tuple[Slice, int, int]]:
    """Even slices of at most `most` candidates, as (slice, begin, end)."""
    n = len(inputs.viewer_row)
    count = -(-n // most)
    for i in range(count):
        begin, end = n * i // count, n * (i + 1) // count
        yield _cut(inputs, begin, end), begin, end


def _cut(inputs: ModelInputs, begin: int, end: int) -> Slice:
    viewers = inputs.viewer_row[begin:end]
    first, last = int(viewers.min()), int(viewers.max()) + 1
    bags = {split: slots.slice(first, last) for split, slots in inputs.viewer_slots.items()}
    bags |= {split: slots.slice(begin, end) for split, slots in inputs.candidate_slots.items()}
    return Slice(
        viewer_row=viewers - np.int32(first),
        bags=bags,
        bin_bags={
            "viewer_bins": Bags.of_matrix(inputs.viewer_bins[first:last]),
            "candidate_bins": Bags.of_matrix(inputs.candidate_bins[begin:end]),
        },
        viewer_vectors=_cut_vectors(inputs.viewer_vectors, first, last),
        candidate_vectors=_cut_vectors(inputs.candidate_vectors, begin, end),
    )


def _cut_vectors(vectors: Mapping[str, F32], begin: int, end: int) -> F32:
    return side_by_side({name: of[begin:end] for name, of in vectors.items()}, end - begin)

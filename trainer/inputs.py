"""Encoded inputs, cut into batches: views, no copies of slots."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from featurestore.encoding import ModelInputs, Slots

Bags = tuple[NDArray[np.int64], NDArray[np.int32]]  # (offsets int64[n + 1], rows int32[...])


@dataclass(frozen=True, slots=True)
class Slice:
    """Some candidates and the viewers they need. `bags` by split; `bin_bags`: "viewer_bins" and "candidate_bins"."""

    viewer_row: NDArray[np.int32]  # [candidates], among the viewers of the slice
    bags: dict[str, Bags]
    bin_bags: dict[str, Bags]


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
    bags = {split: _cut_bags(bag, first, last) for split, bag in inputs.viewer_slots.items()}
    bags |= {split: _cut_bags(bag, begin, end) for split, bag in inputs.candidate_slots.items()}
    return Slice(
        viewer_row=viewers - np.int32(first),
        bags=bags,
        bin_bags={
            "viewer_bins": _rows_as_bags(inputs.viewer_bins[first:last]),
            "candidate_bins": _rows_as_bags(inputs.candidate_bins[begin:end]),
        },
    )


def _cut_bags(bags: Slots, begin: int, end: int) -> Bags:
    offsets = bags.offsets
    return offsets[begin : end + 1] - offsets[begin], bags.slots[offsets[begin] : offsets[end]]


def _rows_as_bags(rows: NDArray[np.int32]) -> Bags:
    """A matrix of bin rows [n, features] as n bags of one row a feature."""
    return np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1], np.ascontiguousarray(rows).reshape(-1)

"""Bags of ids: sparse features from the log to the kernels.

    torch.nn.EmbeddingBag            TorchRec's JaggedTensor    here
    input                            values                     ids
    offsets, include_last_offset     offsets                    offsets
    per_sample_weights               weights                    weights

Three bags, the second of them empty:

    bag          0           1    2
    ids        [ 7,   9,          7    ]    all bags end to end; an id may repeat
    weights    [ 1.0, 0.5,        0.25 ]    what each id counts for; None if every id counts 1
    offsets    [ 0,          2,   2,    3 ]    where each bag begins, then where the last one ends

    len(bags) == 3      bags[0] == [7, 9]      bags.lengths == [2, 0, 1]
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, I64

IdT = TypeVar("IdT", bound=np.integer[Any])


# Not frozen, because frozen instances are slower to build and encoding one example builds six.
@dataclass(slots=True)
class Bags(Generic[IdT]):
    """n bags of ids. Bag i is `ids[offsets[i]:offsets[i + 1]]`.

    offsets: int64[n + 1], rising from 0. ids: [offsets[n]]. weights: float32[offsets[n]], finite; None = 1 each.
    """

    offsets: I64
    ids: NDArray[IdT]
    weights: F32 | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> NDArray[IdT]:
        return self.ids[self.offsets[i] : self.offsets[i + 1]]

    @staticmethod
    def from_lengths(lengths: NDArray[np.integer], ids: NDArray[IdT], weights: F32 | None = None) -> "Bags[IdT]":
        """Bags of these lengths (any integer dtype, [n]).

        Raises `ValueError` unless there is one id for each unit of the lengths' sum, and one weight per id.
        """
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        if offsets[-1] != len(ids):
            raise ValueError(f"lengths add up to {offsets[-1]}, but there are {len(ids)} ids")
        if weights is not None and len(weights) != len(ids):
            raise ValueError(f"there are {len(ids)} ids, but {len(weights)} weights")
        return Bags(offsets, ids, weights)

    @staticmethod
    def of_matrix(ids: NDArray[IdT]) -> "Bags[IdT]":
        """A matrix [n, k] as n bags of k ids; a view of it if it is C-contiguous."""
        offsets = np.arange(len(ids) + 1, dtype=np.int64) * ids.shape[1]
        return Bags(offsets, np.ascontiguousarray(ids).reshape(-1))

    @staticmethod
    def empty(n: int, dtype: type[IdT]) -> "Bags[IdT]":
        """n empty bags."""
        return Bags(np.zeros(n + 1, np.int64), np.empty(0, dtype))

    @property
    def lengths(self) -> I64:
        """int64[n]: ids in each bag."""
        return np.diff(self.offsets)

    def weights_or_ones(self) -> F32:
        """float32[offsets[n]]: the weights, written out if they are None."""
        return np.ones(len(self.ids), np.float32) if self.weights is None else self.weights

    def slice(self, begin: int, end: int) -> "Bags[IdT]":
        """Bags begin to end; ids and weights are views."""
        offsets = self.offsets[begin : end + 1]
        first, last = offsets[0], offsets[-1]
        weights = None if self.weights is None else self.weights[first:last]
        return Bags(offsets - first, self.ids[first:last], weights)

    def take(self, rows: NDArray[np.integer]) -> "Bags[IdT]":
        """Copies of the bags of `rows`, in that order."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        flat = np.arange(ends[-1] if len(ends) else 0, dtype=np.int64)
        flat += np.repeat(self.offsets[:-1][rows] - (ends - lengths), lengths)
        return Bags.from_lengths(lengths, self.ids[flat], None if self.weights is None else self.weights[flat])

    @staticmethod
    def concatenate(parts: Sequence["Bags[IdT]"]) -> "Bags[IdT]":
        """The bags of all parts (at least one), in order; with weights if any part has them."""
        weighted = any(part.weights is not None for part in parts)
        return Bags.from_lengths(
            np.concatenate([part.lengths for part in parts]),
            np.concatenate([part.ids for part in parts]),
            np.concatenate([part.weights_or_ones() for part in parts]) if weighted else None,
        )


# Topics and logs carry 64-bit keys; the model reads rows of a table, which include slots.
Keys = Bags[np.uint64]
Rows = Bags[np.int32]

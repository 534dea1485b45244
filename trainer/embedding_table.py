"""An embedding table with first-order weights and row-wise Adagrad moments. Only touched rows learn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, F64, I32
from contracts.bags import Rows
from model.kernels import adagrad, bags

# Where second moments start: the larger, the smaller a row's first steps. Gradients are sums over the batch. Those of
# first-order weights are p - y itself, so one odd example must not make a full step; those of embeddings are p - y
# times other weights, which are small.
LINEAR_MOMENT = 1.0
EMBEDDING_MOMENT = 1e-3


@dataclass(frozen=True, slots=True)
class BagGradient:
    """The gradient at the n pooled bags of one field. pooled: float32[n, dim]. first_order: float32[n]."""

    bags: Rows
    pooled: F32
    first_order: F32


@dataclass(slots=True)
class Table:
    """embedding float32[rows, dim]; linear, embedding_moment, linear_moment float32[rows]."""

    embedding: F32
    linear: F32
    embedding_moment: F32
    linear_moment: F32
    _place: I32 = field(init=False)

    def __post_init__(self) -> None:
        self._place = np.full(len(self.linear), -1, np.int32)

    @staticmethod
    def fresh(embedding: F32) -> "Table":
        """A table of these rows, float32[rows, dim], that has learned nothing."""
        rows = len(embedding)
        return Table(
            embedding=embedding,
            linear=np.zeros(rows, np.float32),
            embedding_moment=np.full(rows, EMBEDDING_MOMENT, np.float32),
            linear_moment=np.full(rows, LINEAR_MOMENT, np.float32),
        )

    def pool(self, bag: Rows) -> tuple[F32, F32]:
        """(pooled float32[n, dim], first_order float32[n])."""
        return bags.pool(bag, self.embedding, self.linear)

    def learn(self, gradients: Sequence[BagGradient], rate: float) -> None:
        """One Adagrad step of the rows in these bags; all other rows keep their bits."""
        capacity = min(sum(len(gradient.bags.ids) for gradient in gradients), len(self.linear))
        touched = np.empty(capacity, np.int32)
        buffer = np.empty((capacity, self.embedding.shape[1]), np.float32)
        buffer_linear = np.empty(capacity, np.float32)
        count = 0
        for gradient in gradients:
            count = bags.scatter(
                gradient.bags,
                gradient.pooled,
                gradient.first_order,
                self._place,
                touched,
                count,
                buffer,
                buffer_linear,
            )
        adagrad.update(
            touched,
            count,
            buffer,
            buffer_linear,
            self.embedding,
            self.linear,
            self.embedding_moment,
            self.linear_moment,
            self._place,
            np.float32(rate),
        )

    def reset(self, rows: NDArray[np.integer], embedding: F32) -> None:
        """Give `rows` new embeddings, float32[len(rows), dim]; nothing learned stays, moments included."""
        self.embedding[rows] = embedding
        self.linear[rows] = 0
        self.embedding_moment[rows] = EMBEDDING_MOMENT
        self.linear_moment[rows] = LINEAR_MOMENT

    def take(self, rows: NDArray[np.integer], other: "Table", rows_of_other: NDArray[np.integer]) -> None:
        """Copy rows of another table into `rows`, moments included."""
        for mine, theirs in zip(self._learned(), other._learned(), strict=True):
            mine[rows] = theirs[rows_of_other]

    def grow(self, rows: int) -> None:
        """Grow to that many rows. New ones are zero until `reset`; the present ones keep their bits."""
        more = rows - len(self.linear)
        self.embedding = np.concatenate([self.embedding, np.zeros((more, self.embedding.shape[1]), np.float32)])
        self.linear = np.concatenate([self.linear, np.zeros(more, np.float32)])
        self.embedding_moment = np.concatenate([self.embedding_moment, np.full(more, EMBEDDING_MOMENT, np.float32)])
        self.linear_moment = np.concatenate([self.linear_moment, np.full(more, LINEAR_MOMENT, np.float32)])
        self._place = np.full(rows, -1, np.int32)

    def mix(self, rows: NDArray[np.integer], shares: F64) -> None:
        """Mix `rows` among themselves: new row i = sum over j of shares[i, j] * old row j, moments included."""
        for array in self._learned():
            array[rows] = (shares @ array[rows].astype(np.float64)).astype(np.float32)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Views of what is learned, for a snapshot."""
        return {f"{prefix}embedding": self.embedding, f"{prefix}linear": self.linear}

    def moments(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Views of the optimizer's state, for a checkpoint."""
        return {
            f"{prefix}embedding_moment": self.embedding_moment,
            f"{prefix}linear_moment": self.linear_moment,
        }

    def restore(self, arrays: dict[str, NDArray[Any]], prefix: str) -> None:
        """The inverse of `to_arrays` and `moments`."""
        names = ("embedding", "linear", "embedding_moment", "linear_moment")
        for name, array in zip(names, self._learned(), strict=True):
            array[:] = arrays[prefix + name]

    def _learned(self) -> tuple[F32, F32, F32, F32]:
        return self.embedding, self.linear, self.embedding_moment, self.linear_moment

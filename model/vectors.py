"""The declared vectors of one side of a request, as the glue takes them."""

from collections.abc import Mapping

import numpy as np

from contracts.arrays import F32


def side_by_side(
    vectors: Mapping[str, F32],  # per vector [rows, its width], in declared order
    rows: int,
) -> F32:
    """float32[rows, width of all], new and C-contiguous; width 0 where none is declared."""
    return np.concatenate([np.empty((rows, 0), np.float32), *vectors.values()], axis=1)

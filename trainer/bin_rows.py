"""What becomes of the bins' rows when edges roll: ranks keep their rows.

Bins are equal-mass, so row k of a feature with n ordinary bins means "the k-th n-th of what is seen now", and edges
that move move with the data: the row keeps its meaning and its weights. Only where the *number* of bins changes (a
feature gets its first edges, or ties collapse some) do rows change their share; a new row is then the mixture of
the old ones by overlap of their shares of rank,

    new row j = sum over i of |[j/n', (j+1)/n') intersected with [i/n, (i+1)/n)| * n' * old row i

optimizer moments too. It is exact under equal mass: the mean of a feature's rows, weighted by mass, stays what it
was. Rows of missing, zero and the infinities never change their meaning.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from featurestore.bins import BinsView
from featurestore.edge_table import BIN_STRIDE, ORDINARY
from featurestore.features import CONTINUOUS


def rank_mixtures(old: BinsView, new: BinsView) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Per feature whose number of bins changes: (rows int64[r] of the bin table, shares float64[r, r])."""
    for number in range(len(CONTINUOUS)):
        before, after = _ordinary(old, number), _ordinary(new, number)
        if before != after:
            size = max(before, after)
            shares = np.eye(size)
            shares[:after] = 0
            shares[:after, :before] = overlaps(before, after)
            yield number * BIN_STRIDE + ORDINARY + np.arange(size), shares


def overlaps(before: int, after: int) -> NDArray[np.float64]:
    """float64[after, before]: how much of each of `after` equal parts lies in each of `before`; rows sum to 1."""
    begin_new, begin_old = np.arange(after)[:, None] / after, np.arange(before)[None, :] / before
    inside = np.minimum(begin_new + 1 / after, begin_old + 1 / before) - np.maximum(begin_new, begin_old)
    shares = np.clip(inside, 0, None)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _ordinary(view: BinsView, number: int) -> int:
    edges = view.edges.get(number)
    return 1 if edges is None else len(edges) + 1

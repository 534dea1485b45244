"""What happens to the rows of bins when edges change: ranks keep their rows, and tied values keep theirs.

Bins are *rank bins*: row k of a feature with n equal-mass bins means "the k-th n-th of current values". Edges move
with the data, so a row keeps its meaning and its weights. If the number of bins changes, a new row starts as a
mixture of the old ones, by overlap of their shares of rank:

    new row j = sum over i of |[j/n', (j+1)/n') intersected with [i/n, (i+1)/n)| * n' * old row i

If bins do not hold equal shares, because values are tied (a count that is mostly 1) or a tree chose the edges, rank
means nothing. Then `BinsVersion.cells` is given, and a new row is a mixture by mass of the values themselves:

    new row j = sum over i of mass(new bin j intersected with old bin i) / mass(new bin j) * old row i

Masses are those of the rolling window at the change. So a mass point keeps the row of its value, whatever bins appear
beside it, and a feature can pass from one rule to the other. Both rules preserve the mean of a feature's rows,
weighted by mass, and treat optimizer moments alike. Rows of missing, NaN, zero and the infinities never change their
meaning.

Edge changes are applied one by one, in order: a mixture is between two neighbouring versions.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from contracts.arrays import F32, F64, I64
from contracts.errors import ChainBroken
from contracts.records import BinsVersion
from featurestore.bins.edge_table import BIN_STRIDE, ORDINARY
from featurestore.features import NUMBER


def row_mixtures(edges: Mapping[int, F32], change: BinsVersion) -> Iterator[tuple[I64, F64]]:
    """For each feature whose rows change: (rows int64[r] of the bin table, shares float64[r, r]).

    edges: feature number -> its edges before. Raises `ChainBroken` where the cells of the change do not fit them.
    """
    for name, after in change.edges.items():
        number = NUMBER[name]
        shares = _shares(
            edges.get(number, np.empty(0, np.float32)), np.array(after, np.float32), change.cells.get(name)
        )
        bins, before = shares.shape
        if bins == before and (shares == np.eye(bins)).all():
            continue
        size = max(bins, before)
        whole = np.eye(size)
        whole[:bins] = 0
        whole[:bins, :before] = shares
        yield number * BIN_STRIDE + ORDINARY + np.arange(size), whole


def _shares(before: F32, after: F32, cells: Sequence[int] | None) -> F64:
    if cells is None:
        return rank_overlaps(len(before) + 1, len(after) + 1)
    return mass_overlaps(before, after, np.array(cells, np.int64))


def rank_overlaps(before: int, after: int) -> F64:
    """float64[after, before]: the share of each of `after` equal parts in each of `before` parts; rows sum to 1."""
    begin_new, begin_old = np.arange(after)[:, None] / after, np.arange(before)[None, :] / before
    inside = np.minimum(begin_new + 1 / after, begin_old + 1 / before) - np.maximum(begin_new, begin_old)
    shares = np.clip(inside, 0, None)
    return np.eye(before) if before == after else np.asarray(shares / shares.sum(axis=1, keepdims=True))


def mass_overlaps(before: F32, after: F32, cells: I64) -> F64:
    """float64[new bins, old bins]: the share of each new bin's values that each old bin held; rows sum to 1.

    cells: the number of values in each interval between neighbouring edges, of the edges of both. A new bin without
    values takes equal shares of the old bins that it overlaps. Raises `ChainBroken` for another number of cells.
    """
    cuts = np.union1d(before, after)
    if len(cells) != len(cuts) + 1 or (cells < 0).any():
        raise ChainBroken(f"an edge change counts {len(cells)} cells where its edges make {len(cuts) + 1}")
    begins = np.concatenate([[-np.inf], cuts])
    old, new = (np.searchsorted(edges, begins, side="right") for edges in (before, after))
    shares = np.zeros((len(after) + 1, len(before) + 1))
    np.add.at(shares, (new, old), cells)
    bare = shares.sum(axis=1) == 0
    np.add.at(shares, (new, old), bare[new].astype(np.float64))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def same_edges(one: Mapping[int, F32], other: Mapping[int, F32]) -> bool:
    """Whether the edges of every feature are the same. No edges and an absent feature are the same: one bin."""
    cut = [{number: of.tolist() for number, of in edges.items() if len(of)} for edges in (one, other)]
    return cut[0] == cut[1]

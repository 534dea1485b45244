"""The order of a timeline while there is no model that could rank it, by a name that its answer bears."""

import numpy as np
from numpy.typing import NDArray

RECENCY = "fallback-recency"  # newest first, ties by tweet id


def by_recency(
    rows: NDArray[np.int32], created_ms: NDArray[np.int64], tweet_ids: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """int64[n]: the candidates sorted by request, each request's newest first, equal times by ascending id.

    rows: int32[n], the request of each candidate. created_ms: int64[n], event time. tweet_ids: uint64[n].
    """
    return np.lexsort((tweet_ids, -created_ms, rows))

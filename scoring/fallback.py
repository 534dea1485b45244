"""The order of a timeline while there is no model to rank it. The answer carries the order's name."""

import numpy as np

from contracts.arrays import I32, I64, U64

RECENCY = "fallback-recency"  # newest first, ties by tweet id


def by_recency(rows: I32, created_ms: I64, tweet_ids: U64) -> I64:
    """int64[n]: the candidates sorted by request, then newest first, then by ascending id.

    rows: int32[n], the request of each candidate. created_ms: int64[n], event time. tweet_ids: uint64[n].
    """
    return np.lexsort((tweet_ids, -created_ms, rows))

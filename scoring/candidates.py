"""Chooses the tweets to rank for a request: those that it names, or else the newest in the store."""

from collections.abc import Sequence

import numpy as np

from contracts.arrays import U64
from contracts.records import TimelineRequest


def choose(requests: Sequence[TimelineRequest], recent: U64) -> list[U64]:
    """The candidate ids of each request, uint64, each id once, at most `MAX_CANDIDATES` (the record's own bound).

    Named candidates keep the order of their first mention. `recent`: uint64[r], newest first, the candidates of a
    request that names none (null). A request with an empty list gets no candidates, not the newest.
    """
    return [
        recent if request.candidates is None else np.fromiter(dict.fromkeys(request.candidates), np.uint64)
        for request in requests
    ]


def batches(candidates: Sequence[U64], most: int) -> list[slice]:
    """Runs of requests whose candidates add up to at most `most`; a larger request gets a run of its own."""
    runs, begin, total = [], 0, 0
    for i, ids in enumerate(candidates):
        if i > begin and total + len(ids) > most:
            runs.append(slice(begin, i))
            begin, total = i, 0
        total += len(ids)
    if begin < len(candidates):
        runs.append(slice(begin, len(candidates)))
    return runs

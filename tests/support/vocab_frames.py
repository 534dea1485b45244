"""Frames of counts, as a source sends them, for tests that need no tweets."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from contracts.columnar import VocabCounts
from vocab.languages import UND

SOURCE = ("tweets", 0)


def counts_frame(
    window: int,
    closed: int,
    keys: ArrayLike = (),
    counts: ArrayLike = (),
    namespaces: ArrayLike = 0,
    *,
    source: tuple[str, int] = SOURCE,
    tokens: Sequence[str] = (),
    languages: ArrayLike = UND,
) -> VocabCounts:
    """A source's counts of a window. Without keys, and for the window that it closes, it is a marker.

    namespaces, languages: one per key, or one for all. tokens: the spellings of the first keys.
    """
    column = np.array(keys, np.uint64)
    return VocabCounts(
        source_topic=source[0],
        source_partition=source[1],
        closed_through=closed,
        window=window,
        keys=column,
        namespaces=np.full(len(column), namespaces, np.uint8),
        counts=np.array(counts, np.uint32),
        token_keys=column[: len(tokens)],
        tokens=list(tokens),
        languages=np.broadcast_to(np.array(languages, np.uint16), len(column)),
    )

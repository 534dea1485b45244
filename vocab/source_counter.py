"""Counts how often each key occurred in each window of one source, in frames for the owners of the keys.

Every owner partition gets a frame for every window that was counted in, even if it has no key in it: a frame whose
window is past its `closed_through` says "this source counted in this window". Which windows get a decision depends on
that, and it must be the same for all shards, however many partitions share them. A *marker* says that windows are
closed: its window is its `closed_through`, and it has no keys.
"""

from collections.abc import Sequence

import numpy as np

from contracts.arrays import I64, U8, U16, U32, U64
from contracts.columnar import VocabCounts, empty
from vocab.keys import shard_shift
from vocab.languages import language_code
from vocab.namespaces import SPELLED, Namespace
from vocab.tokens.tokenizer import TokenBatch

Columns = tuple[U64, U8, U16, U32]  # keys, namespaces, languages, counts

_SPELLED = np.isin(np.arange(256), SPELLED)
_NO_ROWS: Columns = (empty(np.uint64), empty(np.uint8), empty(np.uint16), empty(np.uint32))


class SourceCounter:
    """Counts of one input partition. Owner partition p owns the shards of which shard % partitions == p."""

    def __init__(self, source_topic: str, source_partition: int, partitions: int, shards: int) -> None:
        self._topic = source_topic
        self._partition = source_partition
        self._partitions = partitions
        self._shard_shift = np.uint64(shard_shift(shards))
        self._closed_through = 0
        self._spelled: dict[int, set[int]] = {}  # of each open window, the keys spelled in it so far

    def count(self, batch: TokenBatch, windows: I64, closed_through: int) -> list[tuple[int, VocabCounts]]:
        """(owner partition, frame) of every window of the batch, ascending.

        windows: int64[n], one a tweet. closed_through: the newest window that the source has closed after this
        batch; send `markers` for it, after these frames. Raises `ValueError` for a tweet in a window that an earlier
        call has closed.
        """
        if len(windows) and windows.min() <= self._closed_through:
            raise ValueError(
                f"{self._topic}[{self._partition}]: window {windows.min()} was closed at {self._closed_through}; "
                "late events count in the next open window"
            )
        tokens_of_tweet = np.diff(batch.offsets)
        window_of_token = np.repeat(windows, tokens_of_tweet)
        language_of_token = np.repeat(_languages(batch), tokens_of_tweet)
        frames = []
        for window in np.unique(windows).tolist():
            here = window_of_token == window
            columns = _sum_rows(batch.keys[here], batch.namespaces[here], language_of_token[here])
            frames += self._frames(window, min(closed_through, window - 1), columns, batch)
        self._close(closed_through)
        return frames

    def markers(self, closed_through: int) -> list[tuple[int, VocabCounts]]:
        """(owner partition, frame) that close all windows up to `closed_through`, for every owner partition."""
        self._close(closed_through)
        marker = self._frame(closed_through, closed_through, _NO_ROWS, empty(np.uint64), [])
        return [(partition, marker) for partition in range(self._partitions)]

    def _close(self, closed_through: int) -> None:
        self._closed_through = max(self._closed_through, closed_through)
        for window in [window for window in self._spelled if window <= closed_through]:
            del self._spelled[window]

    def _frames(
        self, window: int, closed_through: int, columns: Columns, batch: TokenBatch
    ) -> list[tuple[int, VocabCounts]]:
        owners = (columns[0] >> self._shard_shift) % np.uint64(self._partitions)
        frames = []
        for partition in range(self._partitions):
            here = owners == partition
            keys, namespaces, languages, counts = (column[here] for column in columns)
            token_keys, tokens = self._spell(window, keys[_SPELLED[namespaces]], batch)
            rows = (keys, namespaces, languages, counts)
            frames.append((partition, self._frame(window, closed_through, rows, token_keys, tokens)))
        return frames

    def _spell(self, window: int, keys: U64, batch: TokenBatch) -> tuple[U64, list[str]]:
        """Those of `keys` that this window has not spelled yet, and their tokens."""
        spelled = self._spelled.setdefault(window, set())
        distinct = dict.fromkeys(keys.tolist())  # a key has a row for each of its languages
        fresh = np.array([key for key in distinct if key not in spelled], np.uint64)
        tokens = batch.spell(fresh)
        known = np.array([token != "" for token in tokens], bool)
        spelled.update(fresh[known].tolist())
        return fresh[known], [token for token in tokens if token]

    def _frame(
        self, window: int, closed_through: int, rows: Columns, token_keys: U64, tokens: Sequence[str]
    ) -> VocabCounts:
        keys, namespaces, languages, counts = rows
        return VocabCounts(
            source_topic=self._topic,
            source_partition=self._partition,
            closed_through=closed_through,
            window=window,
            keys=keys,
            namespaces=namespaces,
            counts=counts,
            token_keys=token_keys,
            tokens=list(tokens),
            languages=languages,
        )


def _languages(batch: TokenBatch) -> U16:
    """The language of every tweet, by the one LANG token that each has."""
    keys, tweets = np.unique(batch.keys[batch.namespaces == Namespace.LANG], return_inverse=True)
    codes = np.array([language_code(tag) for tag in batch.spell(keys)], np.uint16)
    return codes[tweets]


def _sum_rows(keys: U64, namespaces: U8, languages: U16) -> Columns:
    """Each (key, language) once, with its namespace and its count; rows of a key stand together.

    One sort does it: of the keys, with the language mixed into their lowest 15 bits. Two keys that are equal in the
    other 49 may mingle, and a row then come twice. Owners add rows up, so the sums are right all the same.
    """
    mixed = keys ^ languages
    order = np.argsort(mixed)
    ordered, languages = mixed[order], languages[order]
    first = np.ones(len(keys), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    first[1:] |= languages[1:] != languages[:-1]
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=len(keys)).astype(np.uint32)
    return ordered[starts] ^ languages[starts], namespaces[order[starts]], languages[starts], counts

"""How often each admitted key occurred over each horizon, in all languages together and in each.

A table of decayed counts (`velocity.py` says over what), by key, then language. An admitted key has one row for all
languages together, `languages.ALL`, and one for each language that it occurred in since it was admitted, if its
namespace is one that people read. A key that gives up its slot loses its rows; admitted again, it starts from zero.

**Memory.** A shard keeps at most `LANGUAGE_ROWS_PER_SLOT` rows of single languages for each of its slots: those of
the highest counts over the longest horizon, then the lowest key, then the lowest language. A row is 50 bytes, so a
slot takes 150 at most. A dropped row starts again from zero; sums over all languages stay exact.

Every count is a function of the sources' logs alone, as the owner's decisions are: integers, decayed at each
decision. `reference.py` is the same in plain dictionaries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contracts.arrays import I64, U8, U16, U64, Bools
from vocab import decay
from vocab.keys import shard_of
from vocab.languages import ALL
from vocab.namespaces import SPELLED
from vocab.sorted_columns import locate
from vocab.trends.spans import HORIZONS, SPANS_MS
from vocab.trends.velocity import half_life

LANGUAGE_ROWS_PER_SLOT = 2
_LONGEST = len(HORIZONS) - 1
_SPELLED = np.isin(np.arange(256), SPELLED)


@dataclass(slots=True, eq=False)
class Trends:
    """Columns of n rows: keys uint64, languages uint16, counts uint64[5, n] in units of 2^-32 occurrences."""

    window_ms: int
    keys: U64 = field(default_factory=lambda: np.empty(0, np.uint64))
    languages: U16 = field(default_factory=lambda: np.empty(0, np.uint16))
    counts: U64 = field(default_factory=lambda: np.empty((len(SPANS_MS), 0), np.uint64))

    def totals(self) -> U64:
        """Counts in all languages together, uint64[5, admitted keys], keys ascending."""
        return self.counts[:, self.languages == ALL]

    def fade(self, windows: int) -> None:
        """Applies so many windows of decay."""
        left = [decay.factor(half_life(span_ms, self.window_ms), windows) for span_ms in SPANS_MS]
        self.counts = np.ascontiguousarray(self.counts)  # one layout: the kernel is compiled for it
        decay.decay_rows(self.counts, np.array(left, np.uint64))

    def admit(self, admitted: U64) -> None:
        """Takes the keys that hold a slot now, ascending: drops the rows of others, adds one for each new one."""
        heads = np.flatnonzero(self.languages == ALL)
        former = self.keys[heads]
        if np.array_equal(former, admitted):
            return
        self._keep(np.repeat(locate(admitted, former)[1], np.diff(heads, append=len(self.keys))))
        fresh = admitted[~locate(former, admitted)[1]]
        self._insert(np.searchsorted(self.keys, fresh), fresh, np.full(len(fresh), ALL, np.uint16))

    def add(self, keys: U64, languages: U16, namespaces: U8, occurrences: U64) -> None:
        """Counts a window's occurrences of admitted keys: each (key, language) once, by key, then language."""
        heads = np.flatnonzero(self.languages == ALL)
        admitted = self.keys[heads]
        rank, held = locate(admitted, keys)
        rank, languages, namespaces, occurrences = rank[held], languages[held], namespaces[held], occurrences[held]
        of_key = np.bincount(rank, minlength=len(admitted))
        starts = (np.cumsum(of_key) - of_key)[of_key > 0]
        if len(starts):
            self._count(heads[of_key > 0], np.add.reduceat(occurrences, starts))
        spelled = _SPELLED[namespaces]
        self._add_languages(rank[spelled], languages[spelled], occurrences[spelled])

    def bound(self, shards: int, per_shard: int) -> None:
        """Drops the rows of single languages that a shard has past its bound. shards: how many there are. per_shard:
        slots of each."""
        most = LANGUAGE_ROWS_PER_SLOT * per_shard
        single = np.flatnonzero(self.languages != ALL)
        shard = shard_of(self.keys[single], shards)
        keep = np.ones(len(self.keys), bool)
        for full in np.flatnonzero(np.bincount(shard) > most).tolist():
            rows = single[shard == full]  # by key, then language: a stable sort breaks ties so
            order = np.argsort(~self.counts[_LONGEST, rows], kind="stable")
            keep[rows[order[most:]]] = False
        self._keep(keep)

    def _add_languages(self, rank: I64, languages: U16, occurrences: U64) -> None:
        present = self._rank() << 16 | self.languages
        wanted = rank << 16 | languages
        at = np.searchsorted(present, wanted)
        known = np.append(present, -1)[at] == wanted
        keys = self.keys[self.languages == ALL]
        self._insert(at[~known], keys[rank[~known]], languages[~known])
        self._count(np.searchsorted(self._rank() << 16 | self.languages, wanted), occurrences)

    def _rank(self) -> I64:
        """The place of every row's key among the admitted ones: each begins with its row of all languages."""
        ranks: I64 = np.cumsum(self.languages == ALL) - 1
        return ranks

    def _count(self, rows: I64, occurrences: U64) -> None:
        for row in range(len(SPANS_MS)):
            self.counts[row, rows] = decay.add(self.counts[row, rows], occurrences)

    def _keep(self, mask: Bools) -> None:
        if not mask.all():
            self.keys, self.languages, self.counts = self.keys[mask], self.languages[mask], self.counts[:, mask]

    def _insert(self, at: I64, keys: U64, languages: U16) -> None:
        """Rows of zeros before rows `at`."""
        if len(keys):
            self.keys = np.insert(self.keys, at, keys)
            self.languages = np.insert(self.languages, at, languages)
            self.counts = np.insert(self.counts, at, 0, axis=1)


def commonest_languages(trends: Trends, count: int) -> tuple[Sequence[int], bool]:
    """(the `count` languages with the highest counts over the longest horizon, ties by number; whether these are
    all)."""
    codes, places = np.unique(trends.languages, return_inverse=True)
    # Whole occurrences: sums of integers, which no order can change.
    sums = np.zeros(len(codes), np.uint64)
    np.add.at(sums, places, trends.counts[_LONGEST] >> np.uint64(decay.FRACTION_BITS))
    single = np.flatnonzero(codes != ALL)
    best = single[np.argsort(~sums[single], kind="stable")]
    return codes[best[:count]].tolist(), len(best) <= count

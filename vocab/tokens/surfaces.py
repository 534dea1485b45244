"""What tweets say, in columns: their texts, and what their entities claim.

A surface is a text or a claim. A claim stands with its sign (`#name`), a URL without. Of a tweet's entities, the
first `MAX_CLAIMS` of each kind are claims.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.arrays import I64, U32
from contracts.records import Entities, Tweet
from vocab.tokens.tokenizer_reference import MAX_CLAIMS
from vocab.tokens.twitter_text import Kind

_MAX_URL_CHARS = 512  # of an entity's URL: its host stands in its beginning


_NO_ENTITIES = Entities()


@dataclass(frozen=True, slots=True)
class _Column:
    """Surfaces of one kind. Tweet i has `values[first[i]:first[i+1]]`; value j begins at `begins[j]` of all of them,
    each after `sign`, end to end.
    """

    sign: str
    values: list[str]
    first: I64  # [n + 1]
    begins: I64  # [len(values) + 1]

    def text(self, begin: int, end: int) -> str:
        """The values [begin, end) end to end."""
        return self.sign + self.sign.join(self.values[begin:end]) if begin < end else ""


class Surfaces:
    """The surfaces of n tweets."""

    def __init__(self, tweets: Sequence[Tweet]) -> None:
        self._columns = [_column("", [tweet.text for tweet in tweets], np.arange(len(tweets) + 1))]
        if any(tweet.entities is not None for tweet in tweets):
            claimed = [_NO_ENTITIES if (entities := tweet.entities) is None else entities for tweet in tweets]
            self._columns += [
                _claims("", [entities.urls for entities in claimed]),
                _claims("#", [entities.hashtags for entities in claimed]),
                _claims("@", [entities.mentions for entities in claimed]),
                _claims("$", [entities.cashtags for entities in claimed]),
            ]

    def chunks(self, most: int) -> Iterator[slice]:
        """Runs of tweets, each ending with the one that brings it to `most` characters; one run at least."""
        chars = np.sum([column.begins[column.first] for column in self._columns], axis=0)
        begin, n = 0, len(chars) - 1
        while begin < n or begin == n == 0:
            end = min(int(np.searchsorted(chars, chars[begin] + most)), n)
            yield slice(begin, end)
            begin = max(end, 1)

    def of(self, tweets: slice) -> tuple[U32, I64, I64]:
        """A run's surfaces, all its texts first, then its claims by kind and tweet: s of m tweets.

        (uint32: their code points end to end, int64[s + 1]: where each begins,
        int64[4, m + 1]: by kind, each tweet's first claim among the surfaces).
        """
        parts, begins, first = [], [], []
        surfaces = chars = 0
        for column in self._columns:
            here = column.first[tweets.start : tweets.stop + 1]
            begin, end = int(here[0]), int(here[-1])
            parts.append(column.text(begin, end))
            begins.append(column.begins[begin:end] + (chars - column.begins[begin]))
            first.append(here + (surfaces - begin))
            surfaces, chars = surfaces + end - begin, chars + len(parts[-1])
        points = np.frombuffer("".join(parts).encode("utf-32-le", "surrogatepass"), np.uint32)
        none = np.full((len(Kind), len(first[0])), surfaces)
        return points, np.concatenate([*begins, [chars]]), np.stack(first[1:]) if first[1:] else none


def _claims(sign: str, lists: list[list[str]]) -> _Column:
    """The claims of one kind, from what each tweet's entities list."""
    counts = np.fromiter(map(len, lists), np.int64, len(lists))
    if counts.max() > MAX_CLAIMS:
        lists = [names[:MAX_CLAIMS] for names in lists]
        counts = np.minimum(counts, MAX_CLAIMS)
    values = [name for names in lists if names for name in names]  # most are empty
    if not sign:
        values = [url[:_MAX_URL_CHARS] for url in values]
    return _column(sign, values, _starts(counts))


def _column(sign: str, values: list[str], first: I64) -> _Column:
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    return _Column(sign, values, first, _starts(lengths + len(sign)))


def _starts(lengths: I64) -> I64:
    """Where each of some items begins, laid end to end, and where the last ends. lengths: of the items."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts

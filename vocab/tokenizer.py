"""Tweets to keys, many tweets a call.

A tweet's tokens, in this order: AUTHOR, LANG, the tokens of its text by first occurrence, then the BIGRAMs of
neighbouring words by first occurrence. Each key once a tweet. A bigram's words stand next to each other in the text
with no other token between; a dropped token parts them too.

Bounds, which are part of what a feature means (`TOKENIZER_VERSION`): the first `MAX_TEXT_TOKENS` tokens of a text
are read, and a tweet keeps at most `MAX_KEYS` keys: AUTHOR and LANG, then names (hashtags, mentions, cashtags,
domains, emoji), then words, then bigrams, each kind by first occurrence; what is kept stands in the order above.

Speed comes from a table of the surfaces met so far, of at most `MAX_ROWS` distinct tokens: a surface that was met
is neither normalized nor hashed again. It is emptied when full; what comes out never depends on what it holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.records import Entities, Tweet
from vocab import patterns
from vocab.keys import bigram_keys, key_of
from vocab.namespaces import Namespace

TOKENIZER_VERSION = 1  # raise it with any change of what tokenize() returns
MAX_TEXT_TOKENS = 256
MAX_KEYS = 64
MAX_ROWS = 1 << 18  # distinct tokens remembered: some 100 MB with their surfaces
MAX_SURFACES = 2 * MAX_ROWS  # "The" and "the" are two surfaces of one token

_CHECK_EVERY = 64  # tweets between two looks at how full the table is
_DROPPED = 0  # the row of surfaces that mean nothing
_NO_NAMESPACE = 255
_ROW_BITS = np.int64(MAX_ROWS.bit_length())
_SHORTENER = "t.co"
_SHORTEST_ORIGIN = 8  # characters; every link's path begins after those of "http://x" and "www.x.yz"


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Keys of n tweets. Tweet i has `keys[offsets[i]:offsets[i+1]]`, each once.

    offsets: int64[n+1]. keys: uint64[t]. namespaces: uint8[t].
    """

    offsets: NDArray[np.int64]
    keys: NDArray[np.uint64]
    namespaces: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets) - 1


class _Rows(dict[Any, int]):
    """Surface (a string), author (its id) or language ("\\0" and its tag) -> row of its token; fills itself."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_of_rows = np.zeros(MAX_ROWS, np.uint64)
        self.namespaces_of_rows = np.full(MAX_ROWS, _NO_NAMESPACE, np.uint8)
        self.tokens = [""]
        self.row_of_key: dict[int, int] = {}

    def full(self) -> bool:
        """Whether the tokens of `_CHECK_EVERY` more tweets might not fit."""
        most = _CHECK_EVERY * (MAX_TEXT_TOKENS + 2)
        return len(self.tokens) + most > MAX_ROWS or len(self) + most > MAX_SURFACES

    def __missing__(self, surface: str | int) -> int:
        if isinstance(surface, int):
            row = self._row(Namespace.AUTHOR, str(surface))
        elif surface[0] == "\0":
            row = self._row(Namespace.LANG, patterns.canonical_language(surface[1:]))
        elif (path := surface.find("/", _SHORTEST_ORIGIN)) > 0 and patterns.is_link(surface):
            return self[surface[:path]]  # links rarely come twice, the sites that they lead to do
        else:
            meaning = patterns.canonical_surface(surface)
            row = self._row(*meaning) if meaning else _DROPPED
            if len(surface) > patterns.MAX_WORD_CHARS:
                return row
        self[surface] = row
        return row

    def _row(self, namespace: Namespace, token: str) -> int:
        key = key_of(namespace, token)
        row = self.row_of_key.get(key)
        if row is None:
            row = self.row_of_key[key] = len(self.tokens)
            self.tokens.append(token)
            self.keys_of_rows[row] = key
            self.namespaces_of_rows[row] = namespace
        return row


class Tokenizer:
    """Holds the table of surfaces; one a thread. Two tokenizers give the same batch for the same tweets."""

    def __init__(self) -> None:
        self._rows = _Rows()
        self._former = self._rows

    def tokenize(self, tweets: Sequence[Tweet]) -> TokenBatch:
        """The keys of every tweet."""
        parts: list[TokenBatch] = []
        begin = 0
        while begin < len(tweets) or not parts:
            if self._rows.full():
                self._former, self._rows = self._rows, _Rows()
            rows, lengths = self._read(tweets, begin)
            parts.append(self._finish(rows, lengths))
            begin += len(lengths)
        return parts[0] if len(parts) == 1 else _concatenate(parts)

    def spell(self, keys: NDArray[np.uint64]) -> list[str]:
        """The tokens of keys met lately, "" for others and for bigrams.

        Those of the last batch are always known, unless it alone had more than `MAX_ROWS` distinct tokens.
        """
        present, former = self._rows, self._former
        return [
            present.tokens[present.row_of_key.get(key, 0)] or former.tokens[former.row_of_key.get(key, 0)]
            for key in keys.tolist()
        ]

    def _read(self, tweets: Sequence[Tweet], begin: int) -> tuple[list[int], list[int]]:
        """(rows of tokens end to end, number of them a tweet), until the table is full or the tweets end."""
        table, surfaces = self._rows, patterns.surfaces
        look_up, full = table.__getitem__, table.full
        rows: list[int] = []
        lengths = []
        for i in range(begin, len(tweets)):
            tweet = tweets[i]
            found = surfaces(tweet.text)
            if tweet.entities is not None:
                found = _with_entities(found, tweet.text, tweet.entities)
            if len(found) > MAX_TEXT_TOKENS:
                del found[MAX_TEXT_TOKENS:]
            rows.append(look_up(tweet.author_id))
            rows.append(look_up("\0" + tweet.lang))
            rows.extend(map(look_up, found))
            lengths.append(len(found) + 2)
            if len(lengths) % _CHECK_EVERY == 0 and full():
                break
        return rows, lengths

    def _finish(self, row_list: list[int], length_list: list[int]) -> TokenBatch:
        """Adds bigrams, drops repeats, keeps the bounds; all tweets at once."""
        rows = np.array(row_list, np.int64)
        lengths = np.array(length_list, np.int64)
        tweet_of = np.repeat(np.arange(len(lengths)), lengths)
        namespaces = self._rows.namespaces_of_rows[rows]
        keys = self._rows.keys_of_rows[rows]

        word = namespaces == Namespace.WORD
        pair = np.flatnonzero(word[:-1] & word[1:] & (tweet_of[:-1] == tweet_of[1:]))
        pairs = np.bincount(tweet_of[pair], minlength=len(lengths))
        ends = np.cumsum(lengths + pairs)
        single_at = np.arange(len(rows)) + np.repeat(ends - pairs - np.cumsum(lengths), lengths)
        pair_at = np.arange(len(pair)) + np.repeat(ends - np.cumsum(pairs), pairs)

        total = len(rows) + len(pair)
        all_keys = np.empty(total, np.uint64)
        all_keys[single_at], all_keys[pair_at] = keys, bigram_keys(keys[pair], keys[pair + 1])
        all_namespaces = np.full(total, Namespace.BIGRAM, np.uint8)
        all_namespaces[single_at] = namespaces
        identity = np.empty(total, np.int64)  # of a token within a tweet
        identity[single_at] = rows
        identity[pair_at] = (rows[pair] << _ROW_BITS) | rows[pair + 1]
        owner = np.repeat(np.arange(len(lengths)), lengths + pairs)
        keep = _first_occurrences((owner << (2 * _ROW_BITS)) | identity) & (all_namespaces != _NO_NAMESPACE)
        _keep_bounds(keep, owner, all_namespaces, len(lengths))
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(np.bincount(owner[keep], minlength=len(lengths)), out=offsets[1:])
        return TokenBatch(offsets, all_keys[keep], all_namespaces[keep])


def _with_entities(found: list[str], text: str, entities: Entities) -> list[str]:
    """What the source says it found, where the text bears it out, beside what was found here.

    A tag or name counts where the text holds it with its sign. A URL stands in for a shortened link of the text,
    one for one in order: the text itself does not say where a shortened link leads.
    """
    folded = patterns.fold(text)
    claimed = [
        sign + name
        for sign, names in (("#", entities.hashtags), ("@", entities.mentions), ("$", entities.cashtags))
        for name in names
        if patterns.surfaces(sign + name) == [sign + name] and sign + patterns.fold(name) in folded
    ]
    expanded = iter([url for url in entities.urls if patterns.domain_of(url) not in ("", _SHORTENER)])
    links = [
        "http://" + patterns.domain_of(next(expanded, surface))
        if patterns.is_link(surface) and patterns.domain_of(surface) == _SHORTENER
        else surface
        for surface in found
    ]
    return links + claimed


def _first_occurrences(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True where a value stands for the first time. Sorts values, not places: most batches repeat few of them."""
    first = np.ones(len(values), bool)
    ordered = np.sort(values)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated):
        suspects = np.flatnonzero(_maybe_in(values, repeated))
        _, unique_at = np.unique(values[suspects], return_index=True)
        first[suspects] = False
        first[suspects[unique_at]] = True
    return first


def _maybe_in(values: NDArray[np.int64], members: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True for every member, and for few others: a hashed set of bits, cheaper than a search."""
    bits = np.zeros(1 << 18, bool)
    multiplier, shift = np.uint64(0x9E3779B97F4A7C15), np.uint64(64 - 18)
    bits[members.view(np.uint64) * multiplier >> shift] = True
    found: NDArray[np.bool_] = bits[values.view(np.uint64) * multiplier >> shift]
    return found


def _keep_bounds(
    keep: NDArray[np.bool_], owner: NDArray[np.int64], namespaces: NDArray[np.uint8], tweets: int
) -> None:
    """Clears, in place, what is past `MAX_KEYS` in the few tweets that have more."""
    for tweet in np.flatnonzero(np.bincount(owner[keep], minlength=tweets) > MAX_KEYS):
        begin, end = np.searchsorted(owner, (tweet, tweet + 1))
        kept = begin + np.flatnonzero(keep[begin:end])
        by_rank = kept[np.argsort(_RANK[namespaces[kept]], kind="stable")]
        keep[by_rank[MAX_KEYS:]] = False


_RANK = np.ones(_NO_NAMESPACE, np.uint8)  # by namespace: who stays when a tweet has too many keys
_RANK[[Namespace.AUTHOR, Namespace.LANG]] = 0
_RANK[Namespace.WORD] = 2
_RANK[Namespace.BIGRAM] = 3


def _concatenate(parts: list[TokenBatch]) -> TokenBatch:
    shifts = np.cumsum([0] + [len(part.keys) for part in parts])
    offsets = [part.offsets[:-1] + shift for part, shift in zip(parts, shifts[:-1], strict=True)]
    return TokenBatch(
        np.concatenate([*offsets, shifts[-1:]]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.namespaces for part in parts]),
    )

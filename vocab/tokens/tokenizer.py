"""Tweets to keys, many tweets a call.

A tweet's tokens, in this order: AUTHOR, LANG, the tokens of its text by first occurrence, names that only its
entities give, then the BIGRAMs of neighbouring words by first occurrence. Each key once a tweet. A bigram's words
stand next to each other in the text with no other token between; a dropped token parts them too.

Bounds, which are part of what a feature means (`TOKENIZER_VERSION`): the first `MAX_TEXT_TOKENS` tokens of a text
are read, and a tweet keeps at most `MAX_KEYS` keys: AUTHOR and LANG, then names (hashtags, mentions, cashtags,
domains, emoji), then words, then bigrams, each kind by first occurrence; what is kept stands in the order above.

`tokenizer_reference` is the definition; here it is compiled (`native`). Texts go through as one array of code
points, `MAX_CHUNK_CHARS` at a time, which bounds the memory.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.arrays import I32, I64, U8, U32, U64, Bools
from contracts.records import Tweet
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.tokens import tokenizer_reference as reference
from vocab.tokens.native.bags import finish, places_of
from vocab.tokens.native.tables import TABLES
from vocab.tokens.native.tweets import Tokens, scan
from vocab.tokens.patterns import canonical_language, canonical_segment
from vocab.tokens.surfaces import Surfaces
from vocab.tokens.tokenizer_reference import MAX_KEYS, MAX_TEXT_TOKENS
from vocab.tokens.unicode_data import UNICODE_VERSION

__all__ = ["MAX_KEYS", "MAX_TEXT_TOKENS", "TOKENIZER_VERSION", "UNICODE_VERSION", "TokenBatch", "Tokenizer"]

TOKENIZER_VERSION = 2  # raise it with any change of what tokenize() returns, one of UNICODE_VERSION among them
MAX_CHUNK_CHARS = 1 << 17  # of one pass: some 3 MB of arrays. The pages of larger ones would be mapped anew each time
MAX_REMEMBERED = 1 << 16  # languages and surfaces that Python folds are forgotten past so many of each

_NO_TOKENS = np.zeros(1, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.uint8)


@dataclass(frozen=True, slots=True)
class SpelledChunk:
    """The tokens of a run of tweets as they were hashed: token i is `text[spans[i, 0]:spans[i, 1]]`, in UTF-8.

    keys: uint64[t], not all of them in the batch. spans: int64[t, 2]. text: uint8.
    """

    keys: U64
    spans: I64
    text: U8


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Keys of n tweets, and how they are spelled. Tweet i has `keys[offsets[i]:offsets[i+1]]`, each once.

    offsets: int64[n+1]. keys: uint64[t]. namespaces: uint8[t]. chunks: the tokens of compiled code. made: those that
    Python made, by key.
    """

    offsets: I64
    keys: U64
    namespaces: U8
    chunks: tuple[SpelledChunk, ...]
    made: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def spell(self, keys: U64) -> list[str]:
        """The tokens of keys of this batch, "" for other keys and for bigrams. keys: uint64[m], in any order."""
        tokens = [self.made.get(key, "") for key in keys.tolist()]
        for chunk in self.chunks:
            places = places_of(chunk.keys, keys)
            here = np.flatnonzero(places >= 0)
            text = chunk.text.tobytes()  # bytes are cut and decoded several times faster than arrays
            for i, (begin, end) in zip(here.tolist(), chunk.spans[places[here]].tolist(), strict=True):
                tokens[i] = tokens[i] or text[begin:end].decode()
        return tokens


class Tokenizer:
    """Makes batches, and keeps only caches: one a thread. Two tokenizers give the same batch."""

    def __init__(self) -> None:
        self._languages: dict[str, tuple[int, str]] = {}
        self._folded: dict[tuple[int, str], tuple[int, str]] = {}

    def tokenize(self, tweets: Sequence[Tweet]) -> TokenBatch:
        """The keys of every tweet."""
        surfaces, made = Surfaces(tweets), dict[int, str]()
        parts = [self._chunk(tweets[run], *surfaces.of(run), made) for run in surfaces.chunks(MAX_CHUNK_CHARS)]
        return parts[0] if len(parts) == 1 else _concatenate(parts)

    def _chunk(
        self,
        tweets: Sequence[Tweet],
        points: U32,
        begins: I64,
        claims: I64,
        made: dict[int, str],
    ) -> TokenBatch:
        """The keys of some tweets, whose surfaces are as `Surfaces.of` gives them. Adds tokens to `made`."""
        n, most = len(tweets), len(points) + 2 * len(tweets)
        found = Tokens(
            keys=np.empty(most, np.uint64),
            namespaces=np.empty(most, np.uint8),
            spans=np.empty((most, 2), np.int64),
            spelled=np.empty(13 * len(points) + 32 * n, np.uint8),
            pending=np.empty((most, 4), np.int64),
        )
        offsets, puzzling = np.empty(n + 1, np.int64), np.empty(n, bool)
        authors = np.array([tweet.author_id for tweet in tweets], np.int64)
        languages = self._languages_of(tweets, made)
        waiting = scan(TABLES, points, begins, claims, authors, languages, offsets, found, puzzling)
        for token, namespace, begin, end in found.pending[:waiting].tolist():
            key, spelling = self._fold(namespace, points[begin:end].tobytes().decode("utf-32-le"))
            if spelling:
                found.keys[token], found.namespaces[token] = key, namespace
                made[key] = spelling
        spans = found.spans[: offsets[n]].copy()
        spelled = found.spelled[: spans.max(initial=0)].copy()
        chunk = SpelledChunk(found.keys[: offsets[n]].copy(), spans, spelled)
        solved, solutions = _solve(tweets, puzzling, made)
        out_offsets = np.empty(n + 1, np.int64)
        out_keys, out_namespaces = np.empty(MAX_KEYS * n, np.uint64), np.empty(MAX_KEYS * n, np.uint8)
        count = finish(
            offsets, found.keys, found.namespaces, solved, *solutions, out_offsets, out_keys, out_namespaces
        )
        return TokenBatch(out_offsets, out_keys[:count].copy(), out_namespaces[:count].copy(), (chunk,), made)

    def _languages_of(self, tweets: Sequence[Tweet], made: dict[int, str]) -> U64:
        known = self._languages
        if len(known) > MAX_REMEMBERED:
            known.clear()
        for lang in {tweet.lang for tweet in tweets}:
            if lang not in known:
                token = canonical_language(lang)
                known[lang] = key_of(Namespace.LANG, token), token
            made.update([known[lang]])
        return np.array([known[tweet.lang][0] for tweet in tweets], np.uint64)

    def _fold(self, namespace: int, surface: str) -> tuple[int, str]:
        """(key, token) of a surface whose characters compose; the token is "" where it is dropped."""
        found = self._folded.get((namespace, surface))
        if found is None:
            if len(self._folded) >= MAX_REMEMBERED:
                self._folded.clear()
            token = canonical_segment(Namespace(namespace), surface)
            found = self._folded[namespace, surface] = (key_of(Namespace(namespace), token), token)
        return found


def _solve(tweets: Sequence[Tweet], puzzling: Bools, made: dict[int, str]) -> tuple[I32, tuple[I64, U64, U8]]:
    """(place of each tweet among those solved by the reference or -1, (offsets, keys, namespaces) of those).

    Adds their tokens to `made`.
    """
    solved = np.full(len(tweets), -1, np.int32)
    places = np.flatnonzero(puzzling)
    if not len(places):
        return solved, _NO_TOKENS
    solved[places] = np.arange(len(places))
    found = [reference.tokens(tweets[place]) for place in places.tolist()]
    whole = [token for tokens in found for token in tokens]
    keys = np.array([key_of(*token) for token in whole], np.uint64)
    spelled = zip(keys.tolist(), whole, strict=True)
    made.update((key, token[1]) for key, token in spelled if token[0] != Namespace.BIGRAM)
    offsets = np.cumsum([0] + [len(tokens) for tokens in found], dtype=np.int64)
    return solved, (offsets, keys, np.array([token[0] for token in whole], np.uint8))


def _concatenate(parts: list[TokenBatch]) -> TokenBatch:
    """One batch of the parts of a call, which share what Python made."""
    shifts = np.cumsum([0] + [len(part.keys) for part in parts])
    offsets = [part.offsets[:-1] + shift for part, shift in zip(parts, shifts[:-1], strict=True)]
    return TokenBatch(
        np.concatenate([*offsets, shifts[-1:]]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.namespaces for part in parts]),
        tuple(chunk for part in parts for chunk in part.chunks),
        parts[0].made,
    )

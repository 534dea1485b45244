"""Texts and entities of whole batches, compiled: what `vocab.tokens.tokenizer_reference` finds of each tweet.

`scan` finds the tokens, and `bags.finish` makes each tweet's bag of them. Between the two, Python resolves the few
tokens whose characters compose, and the few tweets whose entities need a closer look.
"""

from typing import Any, NamedTuple

import numpy as np

from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import SOURCES, compiled, entry_point
from vocab.tokens.native.entities import find_entities, signed_end
from vocab.tokens.native.folding import (
    COMPOSES,
    DROPPED,
    write_decimal,
    write_emoji,
    write_host,
    write_lower,
    write_tag,
    write_word,
)
from vocab.tokens.native.plain import past_apart, write_plain_word
from vocab.tokens.native.urls import host_of
from vocab.tokens.native.words import segment_end
from vocab.tokens.native.xxh3 import xxh3_64
from vocab.tokens.tokenizer_reference import MAX_CLAIMS, MAX_TEXT_TOKENS, SHORTENER
from vocab.tokens.twitter_text import Kind

NO_NAMESPACE = 255  # of a dropped token

_URL, _HASHTAG = int(Kind.URL), int(Kind.HASHTAG)
_SIGNED = (int(Kind.HASHTAG), int(Kind.MENTION), int(Kind.CASHTAG))
_WORD, _EMOJI = int(Namespace.WORD), int(Namespace.EMOJI)
_AUTHOR, _LANG, _DOMAIN = int(Namespace.AUTHOR), int(Namespace.LANG), int(Namespace.DOMAIN)
_NAMESPACES = (_DOMAIN, int(Namespace.HASHTAG), int(Namespace.MENTION), int(Namespace.CASHTAG))  # by kind
_SHORTENER_KEY = np.uint64(key_of(Namespace.DOMAIN, SHORTENER))


class Tokens(NamedTuple):
    """The tokens of some tweets, filled by `scan`: t as many as code points and two a tweet."""

    keys: Any  # uint64[t]
    namespaces: Any  # uint8[t]; NO_NAMESPACE for a dropped token
    spans: Any  # int64[t, 2]: each token in `spelled`, its namespace before it
    spelled: Any  # uint8, 13 a code point and 32 a tweet
    pending: Any  # int64[t, 4]: (token, namespace, begin, end) of what Python must fold


class _Scratch(NamedTuple):
    entities: Any  # int64[MAX_TEXT_TOKENS, 5]: see `find_entities`
    urls: Any  # int64[MAX_TEXT_TOKENS, 4]
    hosts: Any  # uint64[MAX_CLAIMS]: keys of what stands for shortened links
    spans: Any  # int64[MAX_CLAIMS, 2]: of these in `spelled`


@entry_point
def scan(
    tables: Any,
    points: Any,  # uint32: the code points of all surfaces, end to end: a text of each tweet, then claims
    begins: Any,  # int64[s + 1]: where each surface begins
    claims: Any,  # int64[4, n + 1]: by kind, each tweet's first claim among the surfaces
    authors: Any,  # int64[n]: ids
    languages: Any,  # uint64[n]: keys
    offsets: Any,  # int64[n + 1], out: where each tweet's tokens begin
    out: Any,  # Tokens, out
    puzzling: Any,  # bool[n], out: tweets for the reference
    sources: int = SOURCES,
) -> int:
    """How many tokens are pending."""
    scratch = _Scratch(
        np.empty((MAX_TEXT_TOKENS, 5), np.int64),
        np.empty((MAX_TEXT_TOKENS, 4), np.int64),
        np.empty(MAX_CLAIMS, np.uint64),
        np.empty((MAX_CLAIMS, 2), np.int64),
    )
    return _scan(tables, points, begins, claims, authors, languages, offsets, out, puzzling, scratch)


@compiled
def _scan(
    tables: Any, points: Any, begins: Any, claims: Any, authors: Any, languages: Any, offsets: Any, out: Any,
    puzzling: Any, scratch: Any,
) -> int:  # fmt: skip
    token, at, waiting = 0, 0, 0
    for tweet in range(len(authors)):
        first = offsets[tweet] = token
        stop = write_decimal(authors[tweet], out.spelled, at, _AUTHOR)
        token, at, waiting = _add(out, token, at, waiting, stop, _AUTHOR, 0, 0)
        out.keys[token], out.namespaces[token] = languages[tweet], _LANG
        out.spans[token, 0] = out.spans[token, 1] = 0
        token += 1
        first_url, last_url = claims[_URL, tweet], claims[_URL, tweet + 1]
        hosts, at, puzzle = _expand(tables, points, begins, first_url, last_url, out.spelled, at, scratch)
        token, at, waiting = _scan_text(
            tables, points, begins[tweet], begins[tweet + 1], out, token, at, waiting, scratch, hosts
        )
        for kind in _SIGNED:
            for claim in range(claims[kind, tweet], claims[kind, tweet + 1]):
                begin, end = begins[claim], begins[claim + 1]
                puzzle |= _puzzles(tables, points, begin, end, kind, out.keys[first:token], out.spelled, at)
        puzzling[tweet] = puzzle
    offsets[len(authors)] = token
    return waiting


@compiled
def _expand(
    tables: Any, points: Any, begins: Any, first: int, last: int, spelled: Any, at: int, scratch: Any
) -> tuple[int, int, bool]:
    """Fills the scratch's hosts: of the URLs that claims [first, last) are, those that are not shortened.

    (how many they are, where `spelled` ends, whether only Python can tell).
    """
    count = 0
    for claim in range(first, last):
        begin, end = host_of(tables, points, begins[claim], begins[claim + 1])
        stop = write_host(tables, points, begin, end, spelled, at, _DOMAIN) if end > begin else DROPPED
        if stop == COMPOSES:
            return count, at, True
        if stop != DROPPED:
            key = xxh3_64(spelled, at, stop)
            if key != _SHORTENER_KEY:
                scratch.hosts[count] = key
                scratch.spans[count, 0], scratch.spans[count, 1] = at + 1, stop
                count, at = count + 1, stop
    return count, at, False


@compiled
def _scan_text(
    tables: Any,
    points: Any,
    begin: int,
    end: int,
    out: Any,
    token: int,
    at: int,
    waiting: int,
    scratch: Any,
    hosts: int,
) -> tuple[int, int, int]:
    """Adds a text's tokens; its shortened links become the scratch's hosts, of which there are so many."""
    found = scratch.entities
    entities = find_entities(tables, points, begin, end, found, scratch.urls)
    last, used = token + MAX_TEXT_TOKENS, 0
    for entity in range(entities):
        token, at, waiting = _scan_words(tables, points, begin, found[entity, 1], out, token, at, waiting, last)
        if token == last:
            return token, at, waiting
        kind, begin, name, name_end = found[entity, 0], found[entity, 2], found[entity, 3], found[entity, 4]
        stop = _write_name(tables, points, kind, name, name_end, out.spelled, at)
        token, at, waiting = _add(out, token, at, waiting, stop, _NAMESPACES[kind], name, name_end)
        if kind == _URL and used < hosts and out.keys[token - 1] == _SHORTENER_KEY:
            out.keys[token - 1] = scratch.hosts[used]
            out.spans[token - 1, 0], out.spans[token - 1, 1] = scratch.spans[used, 0], scratch.spans[used, 1]
            used += 1
    return _scan_words(tables, points, begin, end, out, token, at, waiting, last)


@compiled
def _scan_words(
    tables: Any, points: Any, begin: int, end: int, out: Any, token: int, at: int, waiting: int, last: int
) -> tuple[int, int, int]:
    """Adds the words and emoji between two entities, up to token `last`."""
    while token < last:
        begin = past_apart(tables, points, begin, end)
        if begin >= end:
            break
        namespace = _WORD
        segment, stop = write_plain_word(tables, points, begin, end, out.spelled, at, _WORD)
        if segment == begin:
            segment = segment_end(points, tables.flags, begin, end)
            namespace, stop = _write_segment(tables, points, begin, segment, out.spelled, at)
        if namespace != NO_NAMESPACE:
            token, at, waiting = _add(out, token, at, waiting, stop, namespace, begin, segment)
        begin = segment
    return token, at, waiting


@compiled
def _puzzles(tables: Any, points: Any, begin: int, end: int, kind: int, keys: Any, spelled: Any, at: int) -> bool:
    """Whether a claim is an entity but not among the tweet's keys, or only Python can tell."""
    found, name_end, finish = signed_end(tables.flags, points, begin, begin, end)
    if finish == begin or name_end != end or found != kind:
        return False
    stop = _write_name(tables, points, kind, begin + 1, end, spelled, at)
    if stop < 0:
        return stop == COMPOSES
    claimed = xxh3_64(spelled, at, stop)
    for key in keys:  # noqa: SIM110 -- numba has no generator expressions
        if key == claimed:
            return False
    return True


@compiled
def _add(
    out: Any, token: int, at: int, waiting: int, stop: int, namespace: int, begin: int, end: int
) -> tuple[int, int, int]:
    """One more token, written at [at, stop) of `spelled` unless dropped or pending; (token, at, waiting) after it."""
    if stop >= 0:
        out.keys[token], out.namespaces[token] = xxh3_64(out.spelled, at, stop), namespace
        out.spans[token, 0], out.spans[token, 1] = at + 1, stop
        return token + 1, stop, waiting
    out.keys[token], out.namespaces[token] = np.uint64(0), NO_NAMESPACE
    out.spans[token, 0] = out.spans[token, 1] = 0
    if stop == COMPOSES:
        out.pending[waiting, 0], out.pending[waiting, 1] = token, namespace
        out.pending[waiting, 2], out.pending[waiting, 3] = begin, end
        waiting += 1
    return token + 1, at, waiting


@compiled
def _write_name(tables: Any, points: Any, kind: int, begin: int, end: int, spelled: Any, at: int) -> int:
    if kind == _URL:
        return write_host(tables, points, begin, end, spelled, at, _DOMAIN)
    if kind == _HASHTAG:
        return write_tag(tables, points, begin, end, spelled, at, _NAMESPACES[kind])
    return write_lower(points, begin, end, spelled, at, _NAMESPACES[kind])


@compiled
def _write_segment(tables: Any, points: Any, begin: int, end: int, spelled: Any, at: int) -> tuple[int, int]:
    """(WORD, EMOJI or NO_NAMESPACE, where its form ends as `write_word` says it)."""
    namespace = _kind_of_segment(tables.flags, points, begin, end)
    if namespace == _WORD:
        return _WORD, write_word(tables, points, begin, end, spelled, at, _WORD)
    if namespace == _EMOJI:
        return _EMOJI, write_emoji(tables.flags, points, begin, end, spelled, at, _EMOJI)
    return NO_NAMESPACE, DROPPED


@compiled
def _kind_of_segment(flags: Any, points: Any, begin: int, end: int) -> int:
    """WORD, EMOJI or NO_NAMESPACE, as `vocab.tokens.patterns` tells them apart."""
    c = points[begin]
    first = flags[c]
    is_word = False
    regionals = 1 if first & u.WB_MASK == u.REGIONAL else 0
    keycaps = others = 0
    for at in range(begin + 1, end):
        flag = flags[points[at]]
        is_word |= flag & u.WORDLIKE != 0
        if regionals and flag & u.WB_MASK == u.REGIONAL:
            regionals += 1
        if points[at] == 0x20E3:
            keycaps += 1
        elif points[at] != 0xFE0F and points[at] != 0xFE0E:
            others += 1
    if first & u.PICTOGRAPH and not is_word and c != 0xA9 and c != 0xAE and c != 0x2122:
        return _EMOJI
    if regionals > 1:
        return _EMOJI
    if keycaps == 1 and others == 0 and (48 <= c <= 57 or c == 35 or c == 42):
        return _EMOJI
    return _WORD if is_word or first & u.WORDLIKE else NO_NAMESPACE

"""Whole batches, compiled: what `vocab.tokens.tokenizer_reference` says of each tweet, as keys.

`scan` finds the tokens of texts; `finish` adds bigrams, drops repeats and keeps the bounds. Between the two, Python
resolves the few tokens whose characters compose, and the few tweets whose entities need a closer look.
"""

from typing import Any

import numpy as np

from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.tokens import unicode_data as u
from vocab.tokens.native.compiled import SOURCES, compiled, entry_point
from vocab.tokens.native.entities import find_entities
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
from vocab.tokens.native.urls import host_of
from vocab.tokens.native.words import segment_end
from vocab.tokens.native.xxh3 import xxh3_64
from vocab.tokens.tokenizer_reference import MAX_CLAIMS, MAX_KEYS, MAX_TEXT_TOKENS, SHORTENER
from vocab.tokens.twitter_text import Kind

NO_NAMESPACE = 255  # of a dropped token
TEXT = len(Kind)  # the kind of a segment that is a tweet's text; others are claims of its entities

_URL, _HASHTAG, _MENTION = int(Kind.URL), int(Kind.HASHTAG), int(Kind.MENTION)
_WORD, _BIGRAM, _EMOJI = int(Namespace.WORD), int(Namespace.BIGRAM), int(Namespace.EMOJI)
_AUTHOR, _LANG, _DOMAIN = int(Namespace.AUTHOR), int(Namespace.LANG), int(Namespace.DOMAIN)
_NAMESPACES = (_DOMAIN, int(Namespace.HASHTAG), int(Namespace.MENTION), int(Namespace.CASHTAG))  # by kind
_SHORTENER_KEY = np.uint64(key_of(Namespace.DOMAIN, SHORTENER))
_TABLE = 2_048  # places to find a tweet's repeats in: more than twice what it has before the bounds
_RANKS = 4


@entry_point
def scan(
    tables: Any,
    points: Any,  # int32: the code points of all segments, end to end
    begins: Any,  # int64[s + 1]: where each segment begins
    kinds: Any,  # int8[s]: TEXT, or the kind of a claim
    first: Any,  # int64[n + 1]: each tweet's first segment, its text; its claims follow
    authors: Any,  # int64[n]: ids
    languages: Any,  # uint64[n]: keys
    offsets: Any,  # int64[n + 1], out: where each tweet's tokens begin
    keys: Any,  # uint64[t], out
    namespaces: Any,  # uint8[t], out; NO_NAMESPACE for a dropped token
    spans: Any,  # int64[t, 2], out: each token in `spelled`, its namespace before it
    spelled: Any,  # uint8, out
    pending: Any,  # int64[t, 4], out: (token, namespace, begin, end) of what Python must fold
    puzzling: Any,  # bool[n], out: tweets for the reference
    sources: int = SOURCES,
) -> int:
    """How many tokens are pending. t: as many as code points and two a tweet; `spelled`: 13 and 32."""
    found, urls = np.empty((MAX_TEXT_TOKENS, 5), np.int64), np.empty((MAX_TEXT_TOKENS, 4), np.int64)
    expanded, expanded_spans = np.empty(MAX_CLAIMS, np.uint64), np.empty((MAX_CLAIMS, 2), np.int64)
    token, at, waiting = 0, 0, 0
    for tweet in range(len(authors)):
        offsets[tweet] = token
        stop = write_decimal(authors[tweet], spelled, at, _AUTHOR)
        keys[token], namespaces[token] = xxh3_64(spelled, at, stop), _AUTHOR
        spans[token, 0], spans[token, 1] = at + 1, stop
        at = stop
        keys[token + 1], namespaces[token + 1] = languages[tweet], _LANG
        spans[token + 1, 0] = spans[token + 1, 1] = 0
        token += 2
        expansions = 0
        for segment in range(first[tweet] + 1, first[tweet + 1]):
            if kinds[segment] != _URL or puzzling[tweet]:
                continue
            begin, end = host_of(tables, points, begins[segment], begins[segment + 1])
            stop = write_host(tables, points, begin, end, spelled, at, _DOMAIN) if end > begin else DROPPED
            if stop == COMPOSES:
                puzzling[tweet] = True
            elif stop != DROPPED:
                key = xxh3_64(spelled, at, stop)
                if key != _SHORTENER_KEY:
                    expanded[expansions] = key
                    expanded_spans[expansions, 0], expanded_spans[expansions, 1] = at + 1, stop
                    expansions, at = expansions + 1, stop
        text, text_end = begins[first[tweet]], begins[first[tweet] + 1]
        entities = find_entities(tables, points, text, text_end, found, urls)
        begin, last, used = text, token + MAX_TEXT_TOKENS, 0
        for entity in range(entities + 1):
            gap_end = found[entity, 1] if entity < entities else text_end
            while begin < gap_end and token < last:
                end = segment_end(points, tables.flags, begin, gap_end)
                namespace = _kind_of_segment(tables.flags, points, begin, end)
                if namespace != NO_NAMESPACE:
                    if namespace == _WORD:
                        stop = write_word(tables, points, begin, end, spelled, at, _WORD)
                    else:
                        stop = write_emoji(points, begin, end, spelled, at, _EMOJI)
                    token, at, waiting = _add(
                        keys, namespaces, spans, spelled, pending, token, at, waiting, stop, namespace, begin, end
                    )
                begin = end
            if entity == entities or token == last:
                break
            kind, name, name_end = found[entity, 0], found[entity, 3], found[entity, 4]
            namespace = _NAMESPACES[kind]
            stop = _write_name(tables, points, kind, name, name_end, spelled, at)
            token, at, waiting = _add(
                keys, namespaces, spans, spelled, pending, token, at, waiting, stop, namespace, name, name_end
            )
            if kind == _URL and used < expansions and keys[token - 1] == _SHORTENER_KEY:
                keys[token - 1] = expanded[used]
                spans[token - 1, 0], spans[token - 1, 1] = expanded_spans[used, 0], expanded_spans[used, 1]
                used += 1
            begin = found[entity, 2]
        for segment in range(first[tweet] + 1, first[tweet + 1]):
            if kinds[segment] == _URL or puzzling[tweet]:
                continue
            begin, end = begins[segment], begins[segment + 1]
            alone = find_entities(tables, points, begin, end, found, urls) == 1 and found[0, 4] == end
            if alone and found[0, 0] == kinds[segment] and found[0, 1] == begin:
                stop = _write_name(tables, points, kinds[segment], begin + 1, end, spelled, at)
                if stop == COMPOSES:
                    puzzling[tweet] = True
                elif stop != DROPPED:
                    puzzling[tweet] = not _holds(keys, offsets[tweet], token, xxh3_64(spelled, at, stop))
    offsets[len(authors)] = token
    return waiting


@compiled
def _add(
    keys: Any, namespaces: Any, spans: Any, spelled: Any, pending: Any, token: int, at: int, waiting: int,
    stop: int, namespace: int, begin: int, end: int,
) -> tuple[int, int, int]:  # fmt: skip
    """One more token, written at [at, stop) of `spelled` unless dropped or pending; (token, at, waiting) after it."""
    if stop >= 0:
        keys[token], namespaces[token] = xxh3_64(spelled, at, stop), namespace
        spans[token, 0], spans[token, 1] = at + 1, stop
        return token + 1, stop, waiting
    keys[token], namespaces[token] = np.uint64(0), NO_NAMESPACE
    spans[token, 0] = spans[token, 1] = 0
    if stop == COMPOSES:
        pending[waiting, 0], pending[waiting, 1] = token, namespace
        pending[waiting, 2], pending[waiting, 3] = begin, end
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
def _kind_of_segment(flags: Any, points: Any, begin: int, end: int) -> int:
    """WORD, EMOJI or NO_NAMESPACE, as `vocab.tokens.patterns` tells them apart."""
    c = points[begin]
    first, last = flags[c], points[end - 1]
    is_word = False
    for at in range(begin + 1, end):
        is_word |= flags[points[at]] & u.WORDLIKE != 0
    if first & u.PICTOGRAPH and not is_word and c != 0xA9 and c != 0xAE and c != 0x2122:
        return _EMOJI
    if first & u.WB_MASK == u.REGIONAL and end - begin > 1 and flags[last] & u.WB_MASK == u.REGIONAL:
        return _EMOJI
    if last == 0x20E3 and (48 <= c <= 57 or c == 35 or c == 42):
        return _EMOJI
    return _WORD if is_word or first & u.WORDLIKE else NO_NAMESPACE


@compiled
def _holds(keys: Any, begin: int, end: int, key: Any) -> bool:
    for i in range(begin, end):  # noqa: SIM110 -- numba has no generator expressions
        if keys[i] == key:
            return True
    return False


@entry_point
def finish(
    offsets: Any,  # int64[n + 1]: of the tokens that `scan` found
    keys: Any,  # uint64[t]
    namespaces: Any,  # uint8[t]
    solved: Any,  # int32[n]: the place of a tweet that the reference solved, or -1
    solved_offsets: Any,  # int64[m + 1]
    solved_keys: Any,  # uint64
    solved_namespaces: Any,  # uint8
    out_offsets: Any,  # int64[n + 1], out
    out_keys: Any,  # uint64[MAX_KEYS * n], out
    out_namespaces: Any,  # uint8[MAX_KEYS * n], out
    sources: int = SOURCES,
) -> int:
    """How many keys all tweets have."""
    most = 2 * (MAX_TEXT_TOKENS + 2)
    once, kinds = np.empty(most, np.uint64), np.empty(most, np.uint8)
    table, stamps = np.empty(_TABLE, np.uint64), np.full(_TABLE, -1, np.int64)
    pair = np.empty(17, np.uint8)
    pair[0] = _BIGRAM
    out = 0
    for tweet in range(len(solved)):
        out_offsets[tweet] = out
        if solved[tweet] >= 0:
            for i in range(solved_offsets[solved[tweet]], solved_offsets[solved[tweet] + 1]):
                out_keys[out], out_namespaces[out] = solved_keys[i], solved_namespaces[i]
                out += 1
            continue
        count, begin, end = 0, offsets[tweet], offsets[tweet + 1]
        for i in range(begin, end):
            if namespaces[i] != NO_NAMESPACE and _is_new(table, stamps, tweet, keys[i]):
                once[count], kinds[count] = keys[i], namespaces[i]
                count += 1
        for i in range(begin, end - 1):
            if namespaces[i] == _WORD and namespaces[i + 1] == _WORD:
                key = _bigram(pair, keys[i], keys[i + 1])
                if _is_new(table, stamps, tweet, key):
                    once[count], kinds[count] = key, _BIGRAM
                    count += 1
        out = _keep(once, kinds, count, out_keys, out_namespaces, out)
    out_offsets[len(solved)] = out
    return out


@compiled
def _is_new(table: Any, stamps: Any, tweet: int, key: Any) -> bool:
    """Whether a tweet's key comes for the first time; remembers it. Keys are hashes: their low bits are a place."""
    at = np.int64(key & np.uint64(_TABLE - 1))
    while stamps[at] == tweet:
        if table[at] == key:
            return False
        at = (at + 1) & (_TABLE - 1)
    table[at], stamps[at] = key, tweet
    return True


@compiled
def _bigram(pair: Any, first: Any, second: Any) -> Any:
    for i in range(8):
        pair[1 + i] = first >> np.uint64(8 * i) & np.uint64(255)
        pair[9 + i] = second >> np.uint64(8 * i) & np.uint64(255)
    return xxh3_64(pair, 0, 17)


@compiled
def _rank(namespace: int) -> int:
    """Who stays when a tweet has too many keys: author and language, names, words, bigrams."""
    if namespace in (_AUTHOR, _LANG):
        return 0
    if namespace == _WORD:
        return 2
    return 3 if namespace == _BIGRAM else 1


@compiled
def _keep(once: Any, kinds: Any, count: int, out_keys: Any, out_namespaces: Any, out: int) -> int:
    room = np.zeros(_RANKS, np.int64)  # how many of each rank stay
    for i in range(count):
        room[_rank(kinds[i])] += 1
    left = MAX_KEYS
    for rank in range(_RANKS):
        room[rank] = min(room[rank], left)
        left -= room[rank]
    for i in range(count):
        rank = _rank(kinds[i])
        if room[rank] > 0:
            room[rank] -= 1
            out_keys[out], out_namespaces[out] = once[i], kinds[i]
            out += 1
    return out


@entry_point
def places_of(keys: Any, wanted: Any, sources: int = SOURCES) -> Any:
    """int64: where each wanted key stands first among `keys`, -1 for none. uint64 both."""
    size = 16
    while size < 2 * len(keys):
        size *= 2
    table = np.full(size, -1, np.int64)
    mask = np.uint64(size - 1)
    for i in range(len(keys)):
        at = np.int64(keys[i] & mask)
        while table[at] >= 0 and keys[table[at]] != keys[i]:
            at = (at + 1) % size
        if table[at] < 0:
            table[at] = i
    found = np.empty(len(wanted), np.int64)
    for i in range(len(wanted)):
        at = np.int64(wanted[i] & mask)
        while table[at] >= 0 and keys[table[at]] != wanted[i]:
            at = (at + 1) % size
        found[i] = table[at]
    return found

"""Each tweet's bag of keys, compiled: bigrams added, repeats dropped, the bounds kept; and where keys stand."""

from typing import Any

import numpy as np

from vocab.namespaces import Namespace
from vocab.tokens.native.compiled import SOURCES, compiled, entry_point
from vocab.tokens.native.tweets import NO_NAMESPACE
from vocab.tokens.native.xxh3 import xxh3_64_of_17
from vocab.tokens.tokenizer_reference import MAX_KEYS, MAX_TEXT_TOKENS

_WORD, _BIGRAM = int(Namespace.WORD), int(Namespace.BIGRAM)
_AUTHOR, _LANG = int(Namespace.AUTHOR), int(Namespace.LANG)
_TABLE = 2_048  # places to find a tweet's repeats in: more than twice what it has before the bounds
_RANKS = 4


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
    return _finish(
        offsets, keys, namespaces, solved, solved_offsets, solved_keys, solved_namespaces, out_offsets, out_keys,
        out_namespaces, once, kinds, table, stamps, np.empty(_RANKS, np.int64),
    )  # fmt: skip


@compiled
def _finish(
    offsets: Any, keys: Any, namespaces: Any, solved: Any, solved_offsets: Any, solved_keys: Any,
    solved_namespaces: Any, out_offsets: Any, out_keys: Any, out_namespaces: Any, once: Any, kinds: Any, table: Any,
    stamps: Any, room: Any,
) -> int:  # fmt: skip
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
                key = xxh3_64_of_17(_BIGRAM, keys[i], keys[i + 1])
                if _is_new(table, stamps, tweet, key):
                    once[count], kinds[count] = key, _BIGRAM
                    count += 1
        out = _keep(once, kinds, count, room, out_keys, out_namespaces, out)
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
def _rank(namespace: int) -> int:
    """Who stays when a tweet has too many keys: author and language, names, words, bigrams."""
    if namespace in (_AUTHOR, _LANG):
        return 0
    if namespace == _WORD:
        return 2
    return 3 if namespace == _BIGRAM else 1


@compiled
def _keep(once: Any, kinds: Any, count: int, room: Any, out_keys: Any, out_namespaces: Any, out: int) -> int:
    """Adds the keys that stay; room int64[4], scratch: how many of each rank do."""
    room[:] = 0
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

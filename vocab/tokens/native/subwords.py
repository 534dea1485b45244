"""Character n-grams of words, compiled: what `vocab.tokens.subwords_reference` says, many words a call."""

from typing import Any

import numpy as np

from vocab.namespaces import SUBWORD
from vocab.tokens.native.compiled import SOURCES, compiled, entry_point
from vocab.tokens.native.xxh3 import xxh3_64
from vocab.tokens.subwords_reference import LONGEST, MIX, SHORTEST, SUBWORDS_PER_WORD, UPPER

_NAMESPACE, _MOST = int(SUBWORD), int(SUBWORDS_PER_WORD)
_MIX, _UPPER = np.uint64(MIX), np.uint64(UPPER)
_BEGIN, _END = 60, 62  # < and >
_CONTINUES, _LEADS = 0x80, 0xC0  # the top two bits of UTF-8's bytes that begin no character


@entry_point
def find_subwords(
    spelled: Any,  # uint8: words in UTF-8
    spans: Any,  # int64[n, 2]: where each stands
    offsets: Any,  # int64[n + 1], out
    keys: Any,  # uint64[n * SUBWORDS_PER_WORD], out
    sources: int = SOURCES,
) -> int:
    """How many keys all words have; word i has keys[offsets[i]:offsets[i + 1]]."""
    longest = 2
    for i in range(len(spans)):
        longest = max(longest, spans[i, 1] - spans[i, 0] + 2)
    whole, starts = np.empty(longest, np.uint8), np.empty(longest + 1, np.int64)
    gram = np.empty(1 + 4 * LONGEST, np.uint8)
    gram[0] = _NAMESPACE
    count = 0
    for i in range(len(spans)):
        offsets[i] = count
        chars = _enclose(spelled, spans[i, 0], spans[i, 1], whole, starts)
        first = count
        for n in range(SHORTEST, LONGEST + 1):
            for at in range(chars - n + 1):
                size = starts[at + n] - starts[at]
                for k in range(size):
                    gram[1 + k] = whole[starts[at] + k]
                count = _insert(keys, first, count, xxh3_64(gram, 0, 1 + size))
        for k in range(first, count):
            keys[k] &= _UPPER
    offsets[len(spans)] = count
    return count


@compiled
def _enclose(spelled: Any, begin: int, end: int, whole: Any, starts: Any) -> int:
    """Writes `<word>` and where each of its characters begins; returns how many they are."""
    whole[0], starts[0], chars, size = _BEGIN, 0, 1, 1
    for at in range(begin, end):
        if spelled[at] & _LEADS != _CONTINUES:
            starts[chars] = size
            chars += 1
        whole[size] = spelled[at]
        size += 1
    whole[size], starts[chars], starts[chars + 1] = _END, size, size + 1
    return chars + 1


@compiled
def _insert(keys: Any, first: int, count: int, key: Any) -> int:
    """Puts a key in its place among [first, count), which has the smallest few; returns the new end."""
    at = count
    while at > first and key * _MIX < keys[at - 1] * _MIX:
        at -= 1
    if (at > first and keys[at - 1] == key) or at - first >= _MOST:
        return count
    last = min(count, first + _MOST - 1)
    for i in range(last, at, -1):
        keys[i] = keys[i - 1]
    keys[at] = key
    return last + 1

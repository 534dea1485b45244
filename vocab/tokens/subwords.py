"""Hashed character n-grams: what a word that nobody admitted yet shares with words that are known.

    key = the upper 32 bits of xxh3-64( SUBWORD, 1 byte | n-gram, UTF-8 ), then 32 bits of 0

They are a function of the word alone, at most `SUBWORDS_PER_WORD` of them. They are not counted and hold no slot of
their own: like every key without a slot, they share rows by hash, those of rare words.
"""

from collections.abc import Sequence

import numpy as np

from contracts.bags import Bags, Keys
from vocab.tokens.native.subwords import find_subwords
from vocab.tokens.subwords_reference import SUBWORDS_PER_WORD

__all__ = ["SUBWORDS_PER_WORD", "subwords"]


def subwords(words: Sequence[str]) -> Keys:
    """The n-gram keys of each canonical word (`patterns.canonical_word`): n bags of uint64.

    A bag is a bottom-k sample in its order: its first few keys are the sample of that size.
    """
    encoded = [word.encode() for word in words]
    ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
    begins = np.concatenate([np.zeros(min(1, len(ends)), np.int64), ends[:-1]])
    offsets = np.empty(len(words) + 1, np.int64)
    keys = np.empty(len(words) * SUBWORDS_PER_WORD, np.uint64)
    spelled = np.frombuffer(b"".join(encoded), np.uint8)
    count = find_subwords(spelled, np.stack([begins, ends], axis=1), offsets, keys)
    return Bags(offsets, keys[:count].copy())

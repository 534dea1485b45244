"""64-bit keys: the same in every process, on every machine, in every version.

    key = xxh3-64( namespace number, 1 byte | token, UTF-8 )

A bigram's token bytes are the two words' keys, little-endian, 16 bytes: `key_of(Namespace.BIGRAM, "new york")` and
`bigram_keys([key of new], [key of york])` agree, and the second costs no string.
"""

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from contracts.settings import VocabSettings
from vocab.namespaces import Namespace

U64 = NDArray[np.uint64]

SHARDS = VocabSettings().shards  # virtual shards of a vocabulary whose settings do not say otherwise

_PREFIX = tuple(bytes([namespace]) for namespace in Namespace)

# Of the XXH3 specification, for inputs of 17 to 128 bytes: the default secret's first 32 bytes, and two primes.
_SECRET = np.frombuffer(
    bytes.fromhex("b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"), dtype="<u8"
).astype(np.uint64)
_PRIME64_1 = 0x9E3779B185EBCA87
_AVALANCHE = np.uint64(0x165667919E3779F9)
_BIGRAM_BYTES = 17
_BIGRAM_START = np.uint64(_BIGRAM_BYTES * _PRIME64_1 & 0xFFFFFFFFFFFFFFFF)
_LOW32 = np.uint64(0xFFFFFFFF)


def key_of(namespace: Namespace, token: str) -> int:
    """The key of one canonical token (`patterns.canonical`).

    A bigram is spelled as two words with a space between; raises `ValueError` for one without.
    """
    if namespace is Namespace.BIGRAM:
        first, space, second = token.partition(" ")
        if not space:
            raise ValueError(f"a bigram is two words with a space between, got {token!r}")
        words = (key_of(Namespace.WORD, first), key_of(Namespace.WORD, second))
        return int(xxh3_64_intdigest(_PREFIX[namespace] + b"".join(key.to_bytes(8, "little") for key in words)))
    return int(xxh3_64_intdigest(_PREFIX[namespace] + token.encode()))


def keys_of_ids(namespace: Namespace, ids: U64) -> U64:
    """The keys of numeric ids, spelled in decimal. uint64[n] -> uint64[n]."""
    prefix, digest = _PREFIX[namespace], xxh3_64_intdigest
    return np.fromiter((digest(prefix + b"%d" % i) for i in ids.tolist()), np.uint64, len(ids))


def bigram_keys(first: U64, second: U64) -> U64:
    """The keys of bigrams from the keys of their words, uint64[n] each: XXH3 of the 17 bytes, on columns."""
    namespace = np.uint64(Namespace.BIGRAM)
    head_low = first << np.uint64(8) | namespace
    head_high = second << np.uint64(8) | first >> np.uint64(56)
    mixed = _fold_product(head_low ^ _SECRET[0], head_high ^ _SECRET[1])
    mixed += _fold_product(first ^ _SECRET[2], second ^ _SECRET[3])
    mixed += _BIGRAM_START
    mixed ^= mixed >> np.uint64(37)
    mixed *= _AVALANCHE
    mixed ^= mixed >> np.uint64(32)
    return mixed


def shard_shift(shards: int) -> int:
    """How far keys are shifted to the right to get their shard, of so many (a power of two): it is their top bits,
    so sorted keys stand shard after shard."""
    return 65 - shards.bit_length()


def shard_of(keys: U64, shards: int) -> NDArray[np.uint8]:
    """The virtual shard of each key, 0..shards - 1. uint64[n] -> uint8[n]."""
    of: NDArray[np.uint8] = (keys >> np.uint64(shard_shift(shards))).astype(np.uint8)
    return of


def _fold_product(a: U64, b: U64) -> U64:
    """The two halves of the 128-bit products, xored."""
    shift = np.uint64(32)
    a_low, a_high, b_low, b_high = a & _LOW32, a >> shift, b & _LOW32, b >> shift
    low = a_low * b_low
    middle = a_high * b_low + (low >> shift)
    middle2 = a_low * b_high + (middle & _LOW32)
    high = a_high * b_high + (middle >> shift) + (middle2 >> shift)
    folded: U64 = (low & _LOW32 | middle2 << shift) ^ high
    return folded

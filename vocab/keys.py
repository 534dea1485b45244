"""64-bit keys: the same in every process, on every machine, in every version.

    key = xxh3-64( namespace number, 1 byte | token, UTF-8 )

A bigram's token bytes are the two words' keys, little-endian, 16 bytes: a tokenizer that has these needs no string.
"""

import numpy as np
from xxhash import xxh3_64_intdigest

from contracts.arrays import U8, U64
from contracts.settings import VocabSettings
from vocab.namespaces import Namespace

SHARDS = VocabSettings().shards  # of a vocabulary whose settings name no other number

_PREFIX = tuple(bytes([namespace]) for namespace in Namespace)


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


def shard_shift(shards: int) -> int:
    """How far to the right a key is shifted to give its shard, of `shards` (a power of two) in all.

    A shard is a key's top bits, so sorted keys stand shard after shard.
    """
    return 65 - shards.bit_length()


def shard_of(keys: U64, shards: int) -> U8:
    """The virtual shard of each key, 0..shards - 1. uint64[n] -> uint8[n]."""
    of: U8 = (keys >> np.uint64(shard_shift(shards))).astype(np.uint8)
    return of

"""A faster `contracts.partitioning.partition_of`: it hashes whole words and caches the results of numeric keys.

For a 19-digit key this takes 1.6 us, the plain version 2.5, and a murmur2 compiled by numba 0.25. But compiling takes
a second in every generator and client, which does not pay below some 100 thousand records/s.
"""

import struct
from functools import lru_cache

_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_SEED = 0x9747B28C
_LONGEST_WORDS = 64  # keys of up to 256 bytes have their reader ready

_readers = tuple(struct.Struct(f"<{words}I").unpack_from for words in range(_LONGEST_WORDS + 1))


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 of `data`."""
    length = len(data)
    words = length >> 2
    read = _readers[words] if words <= _LONGEST_WORDS else struct.Struct(f"<{words}I").unpack_from
    h = _SEED ^ (length & _MASK)
    for k in read(data):
        k = k * _M & _MASK
        h = (h * _M & _MASK) ^ ((k ^ (k >> 24)) * _M & _MASK)
    if length & 3:
        h = (h ^ int.from_bytes(data[length & ~3 :], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of `key` among `partitions`: Kafka's default partitioner."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions

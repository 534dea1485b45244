"""Which partition a key goes to: all producers use the same key encoding and the same partitioner.

It is Kafka's default partitioner (murmur2 of the key, masked to 31 bits, modulo partitions), so a Java or librdkafka
producer (`partitioner=murmur2_random`) chooses the same partition. kafka-python and aiokafka use it too.
"""


def record_key(entity_id: int) -> bytes:
    """The Kafka key of a numeric id: its decimal digits in ASCII, as any language prints them."""
    return b"%d" % entity_id


def murmur2(data: bytes) -> int:
    """Austin Appleby's MurmurHash2, 32-bit, with Kafka's seed. Slow and plain; the clients carry fast ones."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        k = (k ^ (k >> 24)) * m & mask
        h = (h * m & mask) ^ k
    if tail := data[whole:]:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ (h >> 13)) * m & mask
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of `key` among `partitions`."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions

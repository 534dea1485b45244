"""The admitted keys of one range, as they stand in Redis (`updates.py` has the layout)."""

from contracts.arrays import F32, I32, I64, U8, U32, U64
from contracts.codec import Codec
from contracts.frames import Frame

BUCKET_SHIFT = 54
BUCKETS = 1 << (64 - BUCKET_SHIFT)  # a multiple of every number of shards


class Bucket(Frame, frozen=True, kw_only=True):
    """Admitted keys of one range, ascending, at the window that is the value's version.

    `counts`: decayed by the vocabulary's half-life, in occurrences; slots are given by them. `horizon_counts`,
    `velocities`: rows x horizons (`velocity.HORIZONS`), in occurrences and in occurrences an hour. `first_seen`,
    `last_seen`: windows. `tokens`: "" for bigrams.
    """

    keys: U64
    namespaces: U8
    slots: I32
    generations: U32
    counts: F32
    horizon_counts: F32
    velocities: F32
    first_seen: I64
    last_seen: I64
    tokens: list[str]


bucket_codec = Codec(Bucket)


def bucket_key(vocabulary: str, bucket: int) -> bytes:
    """The Redis key of a bucket."""
    return f"vocab:{vocabulary}:bucket:{bucket}".encode()

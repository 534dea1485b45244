"""Every byte that the feature store keeps in Redis. `docs/redis.md` shows the same layout with examples.

Keys: `<prefix>f:{<owner>}:<kind>:<id>`. The owner, from 0 on, is the `feature-updates` partition of the
entity (`owner_of`). In braces it is the Redis Cluster hash tag, so that everything that an owner writes in one script
is on one node. Ids are decimal.

    tweet:ID                    TWEET record; n-grams of its words, WORD_SUBWORDS each, uint32; then the author's
                                handle and the beginning of the text in UTF-8
    n:tweet:ID  n:author:ID     COUNTERS record of the entity
    n:viewer:ID n:pair:HASH
    history:VIEWER              HISTORY record
    recent                      sorted set of the newest tweets: member = id, 8 bytes big-endian, score = created_ms
    position                    base + the next offset of `feature-updates` that the owner will read
    base                        added to offsets, so that positions and versions ascend where `feature-updates` was
                                made anew or cut (`driftline offsets reset features`); absent = 0
    ingested                    offset of this partition of `tweets` up to which its records are written
    epoch                       `1`; its absence tells the owner that the view was wiped

Records are fixed-width and little-endian, except the leading version: its 8 bytes are big-endian, because the
set-if-newer script compares them as text. One `np.frombuffer` decodes a batch of values.
"""

from collections.abc import Sequence

import numpy as np

from contracts.arrays import I64, U32, U64, Records
from contracts.columnar import COUNTERS, ENTITY_KINDS
from contracts.errors import BadRecord
from contracts.settings import Settings
from contracts.topics import FEATURE_UPDATES
from featurestore.features import HISTORY, TWEET_KEYS

REPLY, QUOTE, RETWEET = 1, 2, 4  # bits of `flags`

TWEET_FORMAT = 1
WORD_SUBWORDS = 4  # n-grams kept of a word
WORDS_WITH_SUBWORDS = 16  # words of a tweet that keep n-grams: at most 256 bytes
TWEET = np.dtype(
    [
        ("format", "u1"),  # TWEET_FORMAT
        ("flags", "u1"),
        ("media", "u1"),
        ("hashtags", "u1"),  # the first so many keys of the field `tags` are hashtags
        ("lengths", "u1", 3),  # keys of each field of TWEET_FIELDS, in order
        ("provenance", "u1"),  # index in contracts.records.Provenance
        ("id", "<u8"),
        ("created_ms", "<i8"),
        ("author_id", "<u8"),
        ("author_followers", "<f4"),  # MISSING = unknown
        ("text_length", "<u2"),
        ("tag_count", "<u2"),
        ("handle_bytes", "<u4"),  # of the tail
        ("text_bytes", "<u2"),
        ("words", "u1"),  # the first so many words of the text have n-grams in the tail
        ("spare", "u1"),
        ("keys", "<u8", TWEET_KEYS),  # field after field, the rest 0
    ]
)
SHOWN_CHARS = 560  # of a text that the tail keeps, for showing only: at most 2,240 bytes
_BYTES_PER_WORD = 4 * WORD_SUBWORDS

COUNTERS_RECORD = np.dtype(
    [
        ("version", ">u8"),  # base + offset + 1 of the last frame in it
        ("pane", "<u4"),  # the newest pane seen: event time // pane_ms
        ("totals", "<u4", len(COUNTERS)),  # ever
        ("current", "<u4", len(COUNTERS)),  # in `pane`
        ("previous", "<u4", len(COUNTERS)),  # in `pane - 1`
    ]
)

HISTORY_RECORD = np.dtype(
    [
        ("version", ">u8"),
        ("at_ms", "<i8", HISTORY),  # newest first; an empty place has at_ms 0
        ("tweets", "<u8", HISTORY),
    ]
)

EPOCH = b"1"
TWEET_COUNTERS = b"n:tweet:"  # what the keys of tweets' counters have after the owner


def mix64(values: U64) -> U64:
    """SplitMix64's finalizer: a bijection of 64-bit integers that spreads ids evenly. uint64[n] -> uint64[n]."""
    mixed = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def pair_of(viewers: U64, authors: U64) -> U64:
    """The entity of kind PAIR of each viewer and author, a 64-bit hash. uint64[n], uint64[n] -> uint64[n]."""
    return mix64(mix64(viewers + np.uint64(0x9E3779B97F4A7C15)) ^ authors)


def owner_of(entities: U64, owners: int) -> I64:
    """The `feature-updates` partition of each entity, whatever its kind. uint64[n], how many it has -> int64[n]."""
    return (mix64(entities) % np.uint64(owners)).astype(np.int64)


class Keys:
    """The Redis keys of one installation."""

    def __init__(self, settings: Settings) -> None:
        self.owners = FEATURE_UPDATES.partitions(settings)
        self._heads = [f"{settings.prefix}f:{{{owner}}}:".encode() for owner in range(self.owners)]

    def tweets(self, ids: U64) -> list[bytes]:
        """Keys of the TWEET records of `ids`."""
        return self._of(b"tweet:", ids)

    def counters(self, kind: int, entities: U64) -> list[bytes]:
        """Keys of the COUNTERS records of entities of one kind (TWEET, AUTHOR, VIEWER or PAIR)."""
        return self._of(b"n:%b:" % ENTITY_KINDS[kind].encode(), entities)

    def histories(self, viewers: U64) -> list[bytes]:
        """Keys of the HISTORY records of `viewers`."""
        return self._of(b"history:", viewers)

    def head(self, owner: int) -> bytes:
        """What all keys of one owner begin with."""
        return self._heads[owner]

    def states(self, owner: int) -> bytes:
        """Redis pattern of the keys of all counters and histories of one owner."""
        return self._heads[owner] + b"[nh]*"

    def recent(self, owner: int) -> bytes:
        """Key of the newest tweets of one owner."""
        return self._heads[owner] + b"recent"

    def position(self, owner: int) -> bytes:
        """Key of the base and the next offset that the owner reads, added up."""
        return self._heads[owner] + b"position"

    def base(self, owner: int) -> bytes:
        """Key of the number that is added to the owner's offsets."""
        return self._heads[owner] + b"base"

    def ingested(self, partition: int) -> bytes:
        """Key of the offset of `tweets` up to which the records of a partition's tweets are written."""
        return self._heads[partition] + b"ingested"

    def epoch(self, owner: int) -> bytes:
        """Key whose absence means that the view was wiped."""
        return self._heads[owner] + b"epoch"

    def whole_tweets(self, partition: int) -> bytes:
        """Key that is there while Redis holds every tweet of a partition that it should (`whole.py`)."""
        return self._heads[partition] + b"whole-tweets"

    def whole_counters(self, owner: int) -> bytes:
        """Key that is there while Redis holds every counter and history of an owner (`whole.py`)."""
        return self._heads[owner] + b"whole-counters"

    def wholes(self) -> list[bytes]:
        """Keys of all marks."""
        parts = range(self.owners)
        return [*map(self.whole_tweets, parts), *map(self.whole_counters, parts)]

    def _of(self, kind: bytes, ids: U64) -> list[bytes]:
        heads = [head + kind for head in self._heads]
        owners = owner_of(ids, self.owners).tolist()
        return [heads[owner] + b"%d" % i for owner, i in zip(owners, ids.tolist(), strict=True)]


def unpack_records(dtype: np.dtype[np.void], values: Sequence[bytes | None]) -> Records:
    """Records of fixed width, read-only. An absent value gives a record of zeros.

    Raises `BadRecord` for a value of another width.
    """
    nothing = bytes(dtype.itemsize)
    joined = [nothing if value is None else value for value in values]
    if not {dtype.itemsize}.issuperset(map(len, joined)):
        raise BadRecord("store_layout", f"a value in Redis is not the {dtype.itemsize} bytes of this code's layout")
    return np.frombuffer(b"".join(joined), dtype)


def unpack_tweets(values: Sequence[bytes]) -> Records:
    """The fixed parts of TWEET records, read-only.

    Raises `BadRecord` for another format or a short value.
    """
    width = TWEET.itemsize
    records = unpack_records(TWEET, [value[:width] for value in values])
    if (records["format"] != TWEET_FORMAT).any():
        raise BadRecord("store_layout", f"a tweet in Redis is not of format {TWEET_FORMAT}, which this code reads")
    return records


def tweet_subwords(tweets: Records, values: Sequence[bytes]) -> U32:
    """uint32[words of all, WORD_SUBWORDS]: the n-grams in the tails of values. tweets: their TWEET records [n].

    Raises `BadRecord` for a value that ends before its n-grams do.
    """
    width = TWEET.itemsize
    ends = (width + _BYTES_PER_WORD * tweets["words"].astype(np.int64)).tolist()
    joined = b"".join([value[width:end] for value, end in zip(values, ends, strict=True)])
    if len(joined) != sum(ends) - width * len(ends):
        raise BadRecord("store_layout", "a tweet in Redis ends before the n-grams of its words do")
    return np.frombuffer(joined, "<u4").reshape(-1, WORD_SUBWORDS)


def tweet_tail(tweet: np.void, value: bytes) -> tuple[str, str]:
    """(the author's handle, the beginning of the text) of a value; tweet: its TWEET record."""
    handle_at = TWEET.itemsize + _BYTES_PER_WORD * int(tweet["words"])
    text_at = handle_at + int(tweet["handle_bytes"])
    return value[handle_at:text_at].decode(), value[text_at : text_at + int(tweet["text_bytes"])].decode()


def pack_records(records: Records) -> list[bytes]:
    """Each record's bytes."""
    data, width = records.tobytes(), records.dtype.itemsize
    return [data[begin : begin + width] for begin in range(0, len(data), width)]

"""Writes the feature store: the one owner of each partition of entities, and the records of new tweets.

An owner reads its partition of `feature-updates` in order and writes absolute values, set-if-newer. A value's version
is offset + 1 of the last frame in it, so a frame that is delivered again skips the values that already include it.
One script writes the position together with the values. So at any moment, reading on from the `position` in Redis
ends in the same bytes, whichever process was killed and when.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from contracts.arrays import I64, U8, U64, Records
from contracts.columnar import COUNTERS, FeatureUpdates
from contracts.columnar import TWEET as TWEET_KIND
from contracts.records import Tweet
from contracts.settings import Settings
from featurestore.store.counters import concatenate, fold_counters, fold_history
from featurestore.store.errors import ViewWiped
from featurestore.store.grouping import group
from featurestore.store.redis_layout import (
    COUNTERS_RECORD,
    EPOCH,
    HISTORY_RECORD,
    Keys,
    owner_of,
    pack_records,
    unpack_records,
)
from featurestore.store.subwords import subwords_of
from featurestore.store.tweet_records import tweet_records, tweet_values
from transport.ports.redis import ListedValues, Redis

if TYPE_CHECKING:
    from vocab.tokens.tokenizer import TokenBatch


CACHED_ENTITIES = 100_000  # values an owner remembers, some 300 bytes each


class FeatureOwner:
    """The single writer of one partition's entities: counters and histories.

    Call `resume()` first, then `apply()` for each batch, with frames in offset order. Raises `ServerUnavailable` if
    Redis fails (apply the same frames again, or resume), and `ViewWiped` if its part of Redis has vanished (resume).
    """

    def __init__(self, redis: Redis, settings: Settings, partition: int, *, cached: int = CACHED_ENTITIES):
        self._redis = redis
        self._settings = settings
        self._partition = partition
        self._keys = Keys(settings.prefix)
        self._cached = cached
        self._values: dict[bytes, bytes] = {}  # key -> value as Redis has it, least recently used first

    async def resume(self) -> int | None:
        """The offset to read from; None if the view is empty: then read from the beginning of the topic."""
        self._values.clear()
        epoch, position = self._keys.epoch(self._partition), self._keys.position(self._partition)
        found, at = await self._redis.mget([epoch, position])
        if found is not None:
            return None if at is None else int(at)
        await self._redis.replace(position, epoch, EPOCH)
        return None

    async def apply(self, frames: Sequence[tuple[int, FeatureUpdates]]) -> None:
        """Folds frames, as (offset, frame), into Redis: one read and at most two writes for any number of frames."""
        if not frames:
            return
        updates, versions, history_versions = concatenate(frames)
        first, index = group(updates.kinds, updates.entities)
        kinds, entities = updates.kinds[first], updates.entities[first]
        viewer_first, viewer_index = group(updates.history_viewers)
        counter_keys = self._counter_keys(kinds, entities)
        history_keys = self._keys.histories(updates.history_viewers[viewer_first])
        values = await self._load(counter_keys + history_keys)
        counters = fold_counters(
            unpack_records(COUNTERS_RECORD, values[: len(counter_keys)]),
            index,
            updates.panes,
            updates.counts.reshape(-1, len(COUNTERS)),
            versions,
        )
        histories = fold_history(
            unpack_records(HISTORY_RECORD, values[len(counter_keys) :]),
            viewer_index,
            updates.history_at_ms,
            updates.history_tweets,
            history_versions,
        )
        new = pack_records(counters)
        tweets = int(np.searchsorted(kinds, TWEET_KIND, side="right"))  # groups ascend by kind, and tweets are kind 0
        others = counter_keys[tweets:] + history_keys, new[tweets:] + pack_records(histories)
        await self._write((counter_keys[:tweets], new[:tweets]), others, frames[-1][0] + 1)

    def _counter_keys(self, kinds: U8, entities: U64) -> list[bytes]:
        """The Redis keys of groups, whose kinds ascend."""
        return [
            key for kind in np.unique(kinds).tolist() for key in self._keys.counters(kind, entities[kinds == kind])
        ]

    async def _load(self, keys: list[bytes]) -> list[bytes | None]:
        """The values of `keys`, after checking that Redis was not wiped since they were remembered."""
        missing = [key for key in keys if key not in self._values]
        epoch_key = self._keys.epoch(self._partition)
        epoch, *read = await self._redis.mget([epoch_key, *missing])
        if epoch is None:
            self._values.clear()
            raise ViewWiped(
                f"partition {self._partition} of the feature store is gone from Redis; it must be rewritten from"
                " the beginning of feature-updates"
            )
        found = dict(zip(missing, read, strict=True))
        return [found[key] if key in found else self._values[key] for key in keys]

    async def _write(
        self, tweets: tuple[list[bytes], list[bytes]], others: tuple[list[bytes], list[bytes]], position: int
    ) -> None:
        """Write the values in two scripts. The position is in the second, so once it is there, so is everything."""
        settings = self._settings.features
        if tweets[0]:
            await self._redis.set_if_newer(*tweets, settings.tweet_ttl_s, None)
        await self._redis.set_if_newer(
            *others, settings.entity_ttl_s, (self._keys.position(self._partition), position)
        )
        self._remember(tweets)
        self._remember(others)

    def _remember(self, written: tuple[list[bytes], list[bytes]]) -> None:
        for key, value in zip(*written, strict=True):
            self._values.pop(key, None)
            self._values[key] = value
        excess = len(self._values) - self._cached
        for key in [key for key, _ in zip(self._values, range(excess), strict=False)]:
            del self._values[key]


async def write_tweets(redis: Redis, settings: Settings, tweets: Sequence[Tweet], batch: "TokenBatch") -> Records:
    """Writes the records of tweets, and lists the newest, in two round trips; returns TWEET records [n].

    batch: their tokens. Idempotent, with the same result for any order and batching. Raises `ServerUnavailable`.
    """
    records = tweet_records(tweets, batch)
    if len(records) == 0:
        return records
    values = tweet_values(records, tweets, subwords_of(records, batch))
    keys, owners = Keys(settings.prefix), owner_of(records["id"])
    named = keys.tweets(records["id"])
    writes = []
    for owner in np.unique(owners).tolist():
        rows = np.flatnonzero(owners == owner)
        newest = _newest(records, rows, settings.scorer.recent_candidates).tolist()
        places = rows.tolist()
        writes.append(
            ListedValues(
                list_key=keys.recent(owner),
                listed=[(int(records["created_ms"][i]), int(records["id"][i]).to_bytes(8, "big")) for i in newest],
                keys=[named[i] for i in places],
                values=[values[i] for i in places],
            )
        )
    await redis.put_listed(writes, settings.features.tweet_ttl_s, settings.scorer.recent_candidates)
    return records


def _newest(records: Records, rows: I64, most: int) -> I64:
    """The `most` newest of `rows` by (time, id)."""
    order = np.lexsort((records["id"][rows], records["created_ms"][rows]))
    return rows[order[::-1][:most]]

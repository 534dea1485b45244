"""Writes the feature store: the one owner of each partition of entities, and the records of new tweets.

An owner reads its partition of `feature-updates` in order and writes absolute values, set-if-newer. A value's version
is offset + 1 of the last frame in it, so a frame that is delivered again skips the values that already include it.
One script writes the position together with the values. So at any moment, reading on from the `position` in Redis
ends in the same bytes, whichever process was killed and when.

The owner compares the position with its own at every batch. A Redis that has lost its newest writes (a crash with
`appendfsync everysec`, a fail-over) is behind, and the owner must go back to where Redis is.
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
from featurestore.store.errors import ViewEvicted, ViewLost
from featurestore.store.grouping import group
from featurestore.store.redis_layout import (
    COUNTERS_RECORD,
    EPOCH,
    HISTORY_RECORD,
    TWEET_COUNTERS,
    Keys,
    owner_of,
    pack_records,
    unpack_records,
)
from featurestore.store.subwords import subwords_of
from featurestore.store.tweet_records import tweet_records, tweet_values
from transport.ports.clock import Clock
from transport.ports.redis import ListedValues, Redis
from transport.system.clock import SYSTEM_CLOCK

if TYPE_CHECKING:
    from vocab.tokens.tokenizer import TokenBatch


SCANNED_KEYS = 5_000  # in one step: some milliseconds of Redis
CACHED_ENTITIES = 100_000  # values an owner remembers, some 300 bytes each


class FeatureOwner:
    """The single writer of one partition's entities: counters and histories.

    Call `resume()` first, then `apply()` for each batch, with frames in offset order. Raises `ServerUnavailable` if
    Redis fails (apply the same frames again, or resume), and `ViewLost` if Redis has lost what was written (resume).
    """

    def __init__(
        self,
        redis: Redis,
        settings: Settings,
        partition: int,
        *,
        cached: int = CACHED_ENTITIES,
        clock: Clock = SYSTEM_CLOCK,
    ):
        self._redis = redis
        self._settings = settings
        self._partition = partition
        self._keys = Keys(settings)
        self._epoch_key, self._position_key = self._keys.epoch(partition), self._keys.position(partition)
        self._cached = cached
        self._clock = clock
        # Key -> value as Redis has it, and when it expires there at the earliest, by the clock; the least recently
        # used first.
        self._values: dict[bytes, tuple[bytes, int]] = {}
        self._base = self._position = 0

    @property
    def base(self) -> int:
        """What is added to offsets (`redis_layout.py`)."""
        return self._base

    async def resume(self) -> int | None:
        """The offset to read from; None if the view is empty: `begin` must follow.

        Raises `ViewEvicted` if Redis may evict keys.
        """
        if policy := await self._redis.eviction():
            raise ViewEvicted(
                f"Redis evicts keys when its memory is full (maxmemory-policy {policy}), and a counter that it "
                "evicts would begin at zero again: set maxmemory-policy to noeviction"
            )
        self._values.clear()
        base_key = self._keys.base(self._partition)
        epoch, position, base = await self._redis.mget([self._epoch_key, self._position_key, base_key])
        self._base, self._position = int(base or 0), 0
        if epoch is None or position is None:
            return None
        self._position = int(position)
        return self._position - self._base

    async def begin(self, base: int, offset: int) -> None:
        """Declare that the view holds every update before `offset`. Killed in between, it is empty as before."""
        await self._redis.replace(self._position_key, self._epoch_key, EPOCH)
        if base != self._base:
            await self._redis.replace(self._position_key, self._keys.base(self._partition), b"%d" % base)
        if base + offset:
            entity_ttl_s = self._settings.features.entity_ttl_s
            await self._redis.set_if_newer([], [], entity_ttl_s, (self._position_key, base + offset))
        self._base, self._position = base, base + offset

    async def scan(self, cursor: int) -> tuple[int, dict[bytes, bytes]]:
        """(the next cursor, some of the counters and histories in Redis by the ends of their keys); from 0 to 0."""
        cursor, keys = await self._redis.scan(self._keys.states(self._partition), cursor, SCANNED_KEYS)
        values = await self._redis.mget(keys)
        head = len(self._keys.head(self._partition))
        return cursor, {key[head:]: value for key, value in zip(keys, values, strict=True) if value is not None}

    async def restore(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Write values that `scan` gave, except where Redis has newer ones."""
        settings, head = self._settings.features, self._keys.head(self._partition)
        for of_tweets, ttl_s in ((True, settings.tweet_ttl_s), (False, settings.entity_ttl_s)):
            chosen = [i for i, key in enumerate(keys) if key.startswith(TWEET_COUNTERS) == of_tweets]
            if chosen:
                named = [head + keys[i] for i in chosen]
                await self._redis.set_if_newer(named, [values[i] for i in chosen], ttl_s, None)

    async def check(self) -> None:
        """Raises `ViewLost` if Redis has lost what was written."""
        self._compare(*await self._redis.mget([self._epoch_key, self._position_key]))

    async def apply(self, frames: Sequence[tuple[int, FeatureUpdates]]) -> None:
        """Folds frames, as (offset, frame), into Redis: one read and at most two writes for any number of frames."""
        if not frames:
            return
        updates, versions, history_versions = concatenate([(self._base + offset, frame) for offset, frame in frames])
        first, index = group(updates.kinds, updates.entities)
        kinds, entities = updates.kinds[first], updates.entities[first]
        viewer_first, viewer_index = group(updates.history_viewers)
        counter_keys = self._counter_keys(kinds, entities)
        history_keys = self._keys.histories(updates.history_viewers[viewer_first])
        now_us = self._clock.monotonic_us()
        values = await self._load(counter_keys + history_keys, now_us)
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
        new, new_histories = pack_records(counters), pack_records(histories)
        tweets = int(np.searchsorted(kinds, TWEET_KIND, side="right"))  # groups ascend by kind, and tweets are kind 0
        others = counter_keys[tweets:] + history_keys, new[tweets:] + new_histories
        await self._write((counter_keys[:tweets], new[:tweets]), others, self._base + frames[-1][0] + 1)
        self._remember(counter_keys + history_keys, new + new_histories, values, tweets, now_us)

    def _counter_keys(self, kinds: U8, entities: U64) -> list[bytes]:
        """The Redis keys of groups, whose kinds ascend."""
        return [
            key for kind in np.unique(kinds).tolist() for key in self._keys.counters(kind, entities[kinds == kind])
        ]

    async def _load(self, keys: list[bytes], now_us: int) -> list[bytes | None]:
        """The values of `keys`, after checking that Redis has lost nothing since they were remembered."""
        missing = [key for key in keys if key not in self._values or self._values[key][1] <= now_us]
        epoch, position, *read = await self._redis.mget([self._epoch_key, self._position_key, *missing])
        self._compare(epoch, position)
        found = dict(zip(missing, read, strict=True))
        return [found[key] if key in found else self._values[key][0] for key in keys]

    def _compare(self, epoch: bytes | None, position: bytes | None) -> None:
        # Ahead of this owner is no loss: a batch that was not committed to Kafka is applied again.
        if epoch is not None and int(position or 0) >= self._position:
            return
        self._values.clear()
        lost = "is gone from" if epoch is None else "has lost its newest writes in"
        raise ViewLost(f"partition {self._partition} of the feature store {lost} Redis")

    async def _write(
        self, tweets: tuple[list[bytes], list[bytes]], others: tuple[list[bytes], list[bytes]], position: int
    ) -> None:
        """Write the values in two scripts. The position is in the second, so once it is there, so is everything."""
        settings = self._settings.features
        if tweets[0]:
            await self._redis.set_if_newer(*tweets, settings.tweet_ttl_s, None)
        await self._redis.set_if_newer(*others, settings.entity_ttl_s, (self._position_key, position))
        self._position = max(self._position, position)

    def _remember(
        self, keys: list[bytes], values: list[bytes], former: list[bytes | None], tweets: int, now_us: int
    ) -> None:
        """Keep what was written; the first `tweets` are counters of tweets. What has not changed was not written and
        goes on to expire as before."""
        expiries = [self._settings.features.tweet_ttl_s] * tweets
        expiries += [self._settings.features.entity_ttl_s] * (len(keys) - tweets)
        for key, value, before, ttl_s in zip(keys, values, former, expiries, strict=True):
            if value != before:
                self._values.pop(key, None)
                self._values[key] = value, now_us + ttl_s * 1_000_000
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
    keys = Keys(settings)
    owners = owner_of(records["id"], keys.owners)
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

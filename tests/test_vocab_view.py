"""The queryable view: what the owner holds, packed, written once and read back."""

import numpy as np
import pytest

from contracts.errors import VersionNotReached
from contracts.frames import VocabCounts
from contracts.settings import Settings, VocabSettings
from transport.redis_connection import connect
from vocab.keys import SHARDS, key_of
from vocab.namespaces import Namespace
from vocab.owner import VocabularyOwner
from vocab.velocity import rates, velocities
from vocab.view import BUCKETS_OF_SHARD, LIST_LENGTH, VERSION_BYTES, bucket_codec, lists_codec, view_updates
from vocab.view_store import falling, read_token, rising, top, write_view

SETTINGS = VocabSettings(capacity=4 * SHARDS, rare_slots=8, admit_at=2.0, evict_below=0.5, half_life_windows=48.0)
SOURCE = ("tweets", 0)


def frame(window: int, tags: dict[str, int], closed: int) -> VocabCounts:
    keys = np.array([key_of(Namespace.HASHTAG, tag) for tag in tags], np.uint64)
    return VocabCounts(
        source_topic=SOURCE[0],
        source_partition=SOURCE[1],
        closed_through=closed,
        window=window,
        keys=keys,
        namespaces=np.full(len(tags), Namespace.HASHTAG, np.uint8),
        counts=np.array(list(tags.values()), np.uint32),
        token_keys=keys,
        tokens=list(tags),
    )


def an_owner(windows: list[dict[str, int]], shards: range = range(SHARDS)) -> VocabularyOwner:
    """Of windows 101, 102, ... with these hashtags, as far as they are of its shards."""
    owner = VocabularyOwner(SETTINGS, shards, frozenset({SOURCE}))
    for window, tags in enumerate(windows, 101):
        mine = {tag: count for tag, count in tags.items() if key_of(Namespace.HASHTAG, tag) >> 58 in shards}
        owner.observe(frame(window, mine, window - 1))
        owner.observe(frame(window, {}, window))
    owner.close_windows()
    return owner


DRIFT = [{"steady": 10, "old": 30}] * 20 + [{"steady": 10, "new": 8}] * 8


def test_a_steady_key_has_no_velocity_and_a_new_one_its_rate():
    windows = 200
    steady = np.zeros(1, np.uint64)
    owner = an_owner([{"steady": 10}] * windows)
    row = int(np.flatnonzero(owner.tracked.slots >= 0)[0])
    steady, recent = owner.tracked.counts[row : row + 1], owner.tracked.recent[row : row + 1]
    assert rates(steady, 48.0, windows) == pytest.approx([10.0], rel=1e-6)
    assert velocities(steady, recent, 48.0, windows) == pytest.approx([0.0], abs=1e-4)
    assert velocities(np.zeros(1, np.uint64), recent, 48.0, windows) == pytest.approx([10.0], rel=1e-6)


def test_every_admitted_key_is_in_its_bucket_and_nothing_else_is():
    owner = an_owner(DRIFT)
    updates = view_updates(owner)
    assert len(updates.keys) == SHARDS * BUCKETS_OF_SHARD + 1
    assert {value[:VERSION_BYTES] for value in updates.values} == {owner.version.to_bytes(8, "big")}
    shown = {}
    for key, value in zip(updates.keys[:-1], updates.values[:-1], strict=True):
        bucket = bucket_codec.decode(value[VERSION_BYTES:])
        assert all(key.endswith(b":%d" % (k >> 54)) for k in bucket.keys.tolist())
        shown.update(zip(bucket.tokens, bucket.slots.tolist(), strict=True))
    assert set(shown) == {"steady", "old", "new"}
    assert sorted(shown.values()) == sorted(owner.tracked.slots[owner.tracked.slots >= 0].tolist())
    assert view_updates(VocabularyOwner(SETTINGS, range(SHARDS), frozenset({SOURCE}))).keys == []


def test_lists_are_bounded():
    tags = {f"tag{i}": 5 + i % 7 for i in range(500)}
    lists = lists_codec.decode(view_updates(an_owner([tags, tags])).values[-1][VERSION_BYTES:])
    assert np.bincount(lists.kinds).max() <= LIST_LENGTH


@pytest.mark.services
async def test_tokens_and_lists_are_read_back_from_redis(settings: Settings):
    redis = connect(settings)
    try:
        with pytest.raises(VersionNotReached, match="no view"):
            await top(redis, settings, Namespace.HASHTAG, 10)
        with pytest.raises(VersionNotReached, match="no view"):
            await read_token(redis, settings, Namespace.HASHTAG, "#New")
        halves = [an_owner(DRIFT, range(32)), an_owner(DRIFT, range(32, 64))]
        for owner in halves:
            assert await write_view(redis, settings, view_updates(owner), (b"position", 7)) > 0
            assert await write_view(redis, settings, view_updates(owner)) == 0
        assert await redis.get(f"{settings.prefix}position") == b"7"
        shown = await read_token(redis, settings, Namespace.HASHTAG, "#New")
        assert shown is not None
        assert (shown.token, shown.first_seen, shown.last_seen, shown.version) == ("new", 121, 128, 128)
        assert (shown.generation, shown.velocity > 0) == (1, True)
        assert await read_token(redis, settings, Namespace.WORD, "new") is None
        lists = {
            read: [entry.token for entry in await read(redis, settings, Namespace.HASHTAG, 10)]
            for read in (top, rising, falling)
        }
        assert lists == {top: ["old", "steady", "new"], rising: ["new"], falling: ["old"]}
        assert [entry.token for entry in await top(redis, settings, Namespace.HASHTAG, 1)] == ["old"]
        assert await top(redis, settings, Namespace.DOMAIN, 10) == []
    finally:
        await redis.aclose()


@pytest.mark.services
async def test_lists_of_a_former_division_of_the_shards_do_not_count_twice(settings: Settings):
    redis = connect(settings)
    try:
        for owner in (an_owner(DRIFT, range(32)), an_owner(DRIFT, range(32, 64)), an_owner([*DRIFT, {"new": 50}])):
            await write_view(redis, settings, view_updates(owner))
        entries = await top(redis, settings, Namespace.HASHTAG, 10)
        assert sorted(entry.token for entry in entries) == ["new", "old", "steady"]
        assert {entry.version for entry in entries} == {129}
    finally:
        await redis.aclose()

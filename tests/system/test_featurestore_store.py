"""The feature store on a real Redis: what is written is read, once, through re-delivery, wipes and dead servers."""

import contextlib
import os
from collections.abc import AsyncIterator

import msgspec
import numpy as np
import pytest
from redis.asyncio import Redis

from contracts.columnar import AUTHOR, COUNTERS
from contracts.columnar import TWEET as TWEET_KIND
from contracts.columns import is_missing
from contracts.errors import ServerUnavailable
from contracts.records import ACTIONS, Action, TimelineRequest, Tweet
from contracts.settings import FeatureSettings, Settings
from driftline.servers.local import running, start_redis
from featurestore.features import CANDIDATE_DENSE, VIEWER_DENSE
from featurestore.store.counters import aggregate_engagements, aggregate_posts, route
from featurestore.store.errors import ViewEvicted, ViewLost
from featurestore.store.reader import FeatureReader
from featurestore.store.redis_layout import COUNTERS_RECORD, Keys, owner_of, unpack_records
from featurestore.store.writer import FeatureOwner, write_tweets
from tests.golden.compare import assert_same_bags, assert_same_bits
from tests.support.installation import PARTITIONS
from transport.redis.client import RedisClient
from transport.redis.connection import connect
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.tokens.tokenizer import Tokenizer

NOW = 1_760_000_000_000
PANE_MS = 3_600_000
CANDIDATE = {feature.name: i for i, feature in enumerate(CANDIDATE_DENSE)}
VIEWER = {feature.name: i for i, feature in enumerate(VIEWER_DENSE)}


@pytest.fixture
def store(redis_url: str) -> Settings:
    return Settings(
        redis=redis_url,
        prefix=f"store-{os.urandom(4).hex()}-",
        partitions=PARTITIONS,
        features=FeatureSettings(pane_ms=PANE_MS),
    )


@pytest.fixture
async def redis(store: Settings) -> AsyncIterator[RedisClient]:
    async with contextlib.aclosing(connect(store)) as client:
        yield client
        keys = [key async for key in client.client.scan_iter(match=f"{store.prefix}*")]
        if keys:
            await client.client.delete(*keys)


def tweets(n: int) -> list[Tweet]:
    return [
        Tweet(
            id=100 + i, created_ms=NOW - 60_000 + i, author_id=10 + i % 3, author=f"author{i % 3}",
            text=f"tweet number{i} #tag{i % 4}", author_followers=i,
        )
        for i in range(n)
    ]  # fmt: skip


async def write(redis, store, items):
    return await write_tweets(redis, store, items, Tokenizer().tokenize(items))


def engaged(*rows):
    """Frames of engagements (viewer, tweet, author, action, at), by owner."""
    viewers, ids, authors, actions, times = zip(*rows, strict=True)
    return route(
        aggregate_engagements(
            np.array(viewers, np.uint64), np.array(ids, np.uint64), np.array(authors, np.uint64),
            np.array([ACTIONS.index(action) for action in actions], np.uint8), np.array(times, np.int64), PANE_MS,
        ),
        PARTITIONS,
    )  # fmt: skip


async def begun(owner: FeatureOwner) -> int | None:
    """The offset that an owner reads on from; None if it begins with an empty view."""
    offset = await owner.resume()
    if offset is None:
        await owner.begin(0, 0)
    return offset


async def apply_all(redis, store, *batches):
    """Each batch is one frame an owner, at offsets 0, 1, ..."""
    for owner in range(PARTITIONS):
        entity_owner = FeatureOwner(redis, store, owner)
        await begun(entity_owner)
        frames = [(offset, frame) for offset, batch in enumerate(batches) for p, frame in batch if p == owner]
        for frame in frames:
            await entity_owner.apply([frame])


def request(viewer=1, at=NOW, i=0) -> TimelineRequest:
    return TimelineRequest(request_id=f"request-{i}", viewer_id=viewer, at_ms=at)


def ids(*numbers):
    return np.array(numbers, np.uint64)


async def dump(redis, store):
    keys = sorted([key async for key in redis.client.scan_iter(match=f"{store.prefix}*:n:*")])
    keys += sorted([key async for key in redis.client.scan_iter(match=f"{store.prefix}*:history:*")])
    return dict(zip(keys, await redis.mget(keys), strict=True)) if keys else {}


async def test_features_of_candidates_are_what_was_written(redis, store):
    await write(redis, store, tweets(8))
    recent = NOW // PANE_MS * PANE_MS
    await apply_all(
        redis,
        store,
        route(aggregate_posts(ids(10, 10, 11), np.full(3, recent, np.int64), PANE_MS), PARTITIONS),
        engaged(
            (1, 100, 10, Action.SEEN, recent), (1, 100, 10, Action.LIKE, recent), (2, 100, 10, Action.SEEN, recent),
            (2, 101, 11, Action.SEEN, recent), (1, 103, 10, Action.SEEN, recent), (1, 103, 10, Action.QUOTE, recent),
        ),
    )  # fmt: skip
    read = await FeatureReader(redis, store).read(
        [request(1), request(3, i=1)], [ids(103, 100, 999), ids(101)]
    )  # fmt: skip
    assert read.tweet_ids.tolist() == [103, 100, 101]
    assert read.author_ids.tolist() == [10, 10, 11]
    assert read.offsets.tolist() == [0, 2, 3]
    assert [missing.tolist() for missing in read.missing] == [[999], []]
    assert read.features.viewer_row.tolist() == [0, 0, 1]

    def candidate(name):
        return read.features.candidate_dense[:, CANDIDATE[name]].tolist()

    assert candidate("tweet.age_s") == pytest.approx([59.997, 60.0, 59.999])
    assert candidate("tweet.author_followers") == [3, 0, 1]
    assert candidate("tweet.seen") == [1, 2, 1]
    assert candidate("tweet.likes") == [0, 1, 0]
    assert candidate("tweet.retweets") == [1, 0, 0]
    assert candidate("tweet.rate") == [1, 0.5, 0]
    assert candidate("tweet.seen_recent") == [1, 2, 1]
    assert candidate("author.posted_recent") == [2, 2, 1]
    assert candidate("author.seen_recent") == [3, 3, 1]
    assert candidate("author.engaged_recent") == [2, 2, 0]
    assert candidate("viewer_author.seen") == [2, 2, 0]
    assert candidate("viewer_author.engaged") == [2, 2, 0]
    assert candidate("viewer_tweet.history_author_match") == [2, 2, 0]
    assert candidate("viewer_tweet.history_tag_match") == [1, 1, 0]

    def viewer(name):
        return read.features.viewer_dense[:, VIEWER[name]]

    assert viewer("viewer.seen").tolist() == [2, 0]
    assert viewer("viewer.engaged").tolist() == [2, 0]
    assert viewer("viewer.rate")[0] == 1
    assert is_missing(viewer("viewer.rate")).tolist() == [False, True]
    assert viewer("request.hour_of_day").tolist() == [NOW // PANE_MS % 24] * 2

    author = key_of(Namespace.AUTHOR, "10")
    keys = read.features.viewer_keys
    assert keys["viewer"][0].tolist() == [key_of(Namespace.VIEWER, "1")]
    tag0, tag3 = (key_of(Namespace.HASHTAG, tag) for tag in ("tag0", "tag3"))
    assert keys["history"][0].tolist() == [author, tag3, author, tag0]
    assert keys["history"][1].tolist() == []
    value = 1 / (1 + (NOW - recent) / 86_400_000)
    assert keys["history"].weights.tolist() == [pytest.approx(value)] * 4
    assert read.features.candidate_keys["author"].ids.tolist() == [author, author, key_of(Namespace.AUTHOR, "11")]
    assert read.features.candidate_keys["tags"][1].tolist() == [tag0]


async def test_a_batch_of_requests_reads_as_each_request_alone(redis, store):
    await write(redis, store, tweets(40))
    rng = np.random.default_rng(5)
    actions = [
        (int(v), int(t), 10 + (int(t) - 100) % 3, ACTIONS[a], NOW - int(ago))
        for v, t, a, ago in zip(
            rng.integers(0, 4, 300), rng.integers(100, 140, 300), rng.integers(0, 8, 300),
            rng.integers(0, 3 * PANE_MS, 300), strict=True,
        )
    ]  # fmt: skip
    await apply_all(redis, store, engaged(*actions))
    requests = [request(v, NOW + 977 * v, v) for v in range(5)]
    candidates = [rng.permutation(np.arange(95, 140, dtype=np.uint64))[:20] for _ in requests]
    reader = FeatureReader(redis, store)
    together = await reader.read(requests, candidates)
    for i, (one, its) in enumerate(zip(requests, candidates, strict=True)):
        alone, rows = await reader.read([one], [its]), slice(*together.offsets[i : i + 2])
        assert together.tweet_ids[rows].tolist() == alone.tweet_ids.tolist()
        assert together.missing[i].tolist() == alone.missing[0].tolist()
        dense = together.features.candidate_dense[rows]
        assert dense.tobytes() == alone.features.candidate_dense.tobytes()
        assert together.features.viewer_dense[i].tobytes() == alone.features.viewer_dense.tobytes()
        for field, bags in together.features.viewer_keys.items():
            assert_same_bags(bags.take(np.array([i])), alone.features.viewer_keys[field])
        for name, vectors in together.features.viewer_vectors.items():
            assert_same_bits(vectors[i : i + 1], alone.features.viewer_vectors[name])


async def test_no_requests_and_no_candidates_read_as_nothing(redis, store):
    reader = FeatureReader(redis, store)
    assert len((await reader.read([], [])).features) == 0
    empty = await reader.read([request()], [ids()])
    assert len(empty.features) == 0
    assert empty.features.viewer_dense.shape == (1, len(VIEWER_DENSE))
    assert (await reader.recent_tweets(5))[0].tolist() == []


async def test_tweets_are_shown_as_they_were_written(redis, store):
    await write(redis, store, tweets(3))
    shown = await FeatureReader(redis, store).read_tweets([101, 555])
    assert list(shown) == [101]
    assert (shown[101].author, shown[101].text) == ("author1", "tweet number1 #tag1")


async def test_writing_in_any_order_and_twice_lists_the_same_newest_tweets(redis, store):
    items = tweets(700)
    await write(redis, store, items[350:])
    await write(redis, store, items[:350])
    await write(redis, store, items[100:600])
    newest, created = await FeatureReader(redis, store).recent_tweets(50)
    assert newest.tolist() == [tweet.id for tweet in items[:-51:-1]]
    assert created.tolist() == [tweet.created_ms for tweet in items[:-51:-1]]
    for owner in range(PARTITIONS):
        assert await redis.client.zcard(Keys(store).recent(owner)) <= store.scorer.recent_candidates


async def test_records_of_tweets_expire_by_their_own_time_to_live(redis, store):
    await write(redis, store, tweets(1))
    await apply_all(redis, store, engaged((1, 100, 10, Action.LIKE, NOW)))
    keys, settings = Keys(store), store.features
    ttl = redis.client.ttl
    assert settings.tweet_ttl_s - 60 < await ttl(keys.tweets(ids(100))[0]) <= settings.tweet_ttl_s
    assert settings.tweet_ttl_s - 60 < await ttl(keys.counters(0, ids(100))[0]) <= settings.tweet_ttl_s
    assert settings.entity_ttl_s - 60 < await ttl(keys.counters(AUTHOR, ids(10))[0]) <= settings.entity_ttl_s


def frames_of_one_owner(owner: int, count: int):
    rng = np.random.default_rng(owner)
    frames = []
    while len(frames) < count:
        rows = [
            (int(rng.integers(5)), int(rng.integers(20)), int(rng.integers(4)), ACTIONS[rng.integers(8)],
             NOW + int(rng.integers(-3, 3)) * PANE_MS)
            for _ in range(10)
        ]  # fmt: skip
        frames += [(len(frames), frame) for p, frame in engaged(*rows) if p == owner][:1]
    return frames


@pytest.mark.parametrize("cached", [0, 3, 100_000])
async def test_any_batching_and_redelivery_ends_in_the_same_bytes(redis, store, cached):
    frames = frames_of_one_owner(2, 30)
    plain = FeatureOwner(redis, store, 2)
    assert await begun(plain) is None
    for frame in frames:
        await plain.apply([frame])
    expected = await dump(redis, store)
    assert len(expected) > 5
    await redis.client.delete(*expected, Keys(store).epoch(2))

    owner = FeatureOwner(redis, store, 2, cached=cached)
    assert await begun(owner) is None
    await owner.apply(frames[:7])
    await owner.apply(frames[7:12])
    again = FeatureOwner(redis, store, 2, cached=cached)  # the first was killed, and the log is read from far back
    assert await begun(again) == 12
    await again.apply(frames[2:20])
    await owner.apply(frames[12:15])  # the first was not dead after all
    await again.apply(frames[20:])
    assert await dump(redis, store) == expected
    assert await begun(again) == 30


async def test_a_kill_between_the_two_writes_is_mended_by_reading_again(redis, store, monkeypatch):
    frames = frames_of_one_owner(1, 10)
    plain = FeatureOwner(redis, store, 1)
    await begun(plain)
    await plain.apply(frames)
    expected = await dump(redis, store)
    await redis.client.delete(*expected, Keys(store).epoch(1))

    write_values = redis.set_if_newer

    async def fail_at_the_second(keys, values, ttl_s, position):
        if position is not None:
            raise ConnectionError("killed here")
        return await write_values(keys, values, ttl_s, position)

    owner = FeatureOwner(redis, store, 1)
    await begun(owner)
    monkeypatch.setattr(redis, "set_if_newer", fail_at_the_second)
    with pytest.raises(ConnectionError):
        await owner.apply(frames[:6])
    monkeypatch.undo()
    after = FeatureOwner(redis, store, 1)
    assert await begun(after) is None
    await after.apply(frames[:4])
    await after.apply(frames[4:])
    assert await dump(redis, store) == expected


async def test_a_wiped_store_is_noticed_and_rewritten_from_the_beginning(redis, store):
    frames = frames_of_one_owner(3, 12)
    owner = FeatureOwner(redis, store, 3)
    await begun(owner)
    await owner.apply(frames)
    expected = await dump(redis, store)
    wiped = [key async for key in redis.client.scan_iter(match=f"{store.prefix}*")]
    await redis.client.delete(*wiped)
    with pytest.raises(ViewLost):
        await owner.apply([(12, frames[0][1])])
    assert await begun(owner) is None
    await owner.apply(frames)
    assert await dump(redis, store) == expected


async def test_a_redis_that_lost_its_newest_writes_is_noticed_and_gets_them_again(redis, store):
    """16 likes, then a crash that loses the last 5: the next one is the 17th, not the 12th."""
    viewer, tweet = 3, 7
    like = dict(engaged((viewer, tweet, 1, Action.LIKE, NOW)))[int(owner_of(ids(tweet), PARTITIONS)[0])]
    number = int(owner_of(ids(tweet), PARTITIONS)[0])
    owner = FeatureOwner(redis, store, number)
    await begun(owner)

    async def everything() -> dict[bytes, bytes]:
        keys = [key async for key in redis.client.scan_iter(match=f"{store.prefix}*")]
        return dict(zip(keys, await redis.mget(keys), strict=True))

    for offset in range(11):
        await owner.apply([(offset, like)])
    survived = await everything()
    for offset in range(11, 16):
        await owner.apply([(offset, like)])
    await redis.client.mset(survived)
    with pytest.raises(ViewLost, match="has lost its newest writes in Redis"):
        await owner.check()
    with pytest.raises(ViewLost):
        await owner.apply([(16, like)])
    assert await begun(owner) == 11
    await owner.apply([(offset, like) for offset in range(11, 17)])
    value = await redis.client.get(Keys(store).counters(TWEET_KIND, ids(tweet))[0])
    totals = unpack_records(COUNTERS_RECORD, [value])[0]["totals"]
    assert totals[COUNTERS.index("like")] == 17
    await owner.check()


async def test_a_counter_that_expired_begins_at_zero_whether_its_owner_remembers_it_or_not(redis, store):
    class Clock:
        now_us = 0

        def monotonic_us(self) -> int:
            return self.now_us

    tweet = 7
    number = int(owner_of(ids(tweet), PARTITIONS)[0])
    like = dict(engaged((3, tweet, 1, Action.LIKE, NOW)))[number]
    found = []
    for cached in (0, 100_000):
        clock = Clock()
        owner = FeatureOwner(redis, store, number, cached=cached, clock=clock)
        begin = await begun(owner) or 0
        await owner.apply([(begin, like)])
        clock.now_us += store.features.tweet_ttl_s * 1_000_000
        keys = Keys(store).counters(TWEET_KIND, ids(tweet))
        await redis.client.delete(*keys)  # as its time to live would
        await owner.apply([(begin + 1, like)])
        (value,) = await redis.mget(keys)
        found.append(unpack_records(COUNTERS_RECORD, [value])[0]["totals"][COUNTERS.index("like")])
        await redis.client.delete(*keys)
    assert found == [1, 1]


async def test_versions_ascend_where_the_log_was_made_anew(redis, store):
    number = 1
    frames = frames_of_one_owner(number, 12)
    once = FeatureOwner(redis, store, number)
    await begun(once)
    await once.apply(frames)
    expected = await dump(redis, store)
    await redis.client.delete(*expected, Keys(store).epoch(number))

    owner = FeatureOwner(redis, store, number)
    await begun(owner)
    await owner.apply(frames[:8])
    await redis.client.set(Keys(store).base(number), 8)  # the log begins anew after these
    again = FeatureOwner(redis, store, number)
    assert await begun(again) == 0
    await again.apply([(offset - 8, frame) for offset, frame in frames[8:]])
    assert await dump(redis, store) == expected
    assert await begun(again) == 4


async def test_a_redis_that_evicts_is_refused(store, tmp_path):
    with running(start_redis(tmp_path, print, bound=True, install=False)) as server:
        alone = msgspec.structs.replace(store, redis=server.address)
        async with contextlib.aclosing(connect(alone)) as client:
            await client.client.config_set("maxmemory-policy", "allkeys-lru")
            with pytest.raises(
                ViewEvicted, match=r"maxmemory-policy allkeys-lru.*set maxmemory-policy to noeviction"
            ):
                await FeatureOwner(client, alone, 0).resume()
            await client.client.config_set("maxmemory", "0")
            await FeatureOwner(client, alone, 0).resume()


async def test_totals_survive_in_redis_as_the_layout_says(redis, store):
    owner = int(owner_of(ids(10), PARTITIONS)[0])
    posts = dict(route(aggregate_posts(ids(10, 10), np.full(2, NOW, np.int64), PANE_MS), PARTITIONS))
    writer = FeatureOwner(redis, store, owner)
    await begun(writer)
    await writer.apply([(41, posts[owner])])
    value = await redis.client.get(Keys(store).counters(AUTHOR, ids(10))[0])
    record = unpack_records(COUNTERS_RECORD, [value])[0]
    assert value[:8] == (42).to_bytes(8, "big")
    assert record["pane"] == NOW // PANE_MS
    assert record["totals"].tolist() == [2 * (name == "posted") for name in COUNTERS]


async def test_a_redis_that_does_not_answer_is_an_error_not_an_empty_store():
    nowhere = Settings(redis="redis://127.0.0.1:1/0", prefix="x-", partitions=PARTITIONS)
    async with contextlib.aclosing(RedisClient(nowhere, Redis.from_url(nowhere.redis))) as client:
        reader = FeatureReader(client, nowhere)
        for call in (reader.read([request()], [ids(1)]), reader.recent_tweets(3), reader.read_tweets([1])):
            with pytest.raises(ServerUnavailable, match="DRIFTLINE_REDIS"):
                await call
        with pytest.raises(ServerUnavailable):
            await FeatureOwner(client, nowhere, 0).resume()
        with pytest.raises(ServerUnavailable):
            await write(client, nowhere, tweets(1))

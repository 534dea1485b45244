"""Loads for benchmarks have the promised mix, decode, and join."""

from contracts.codec import Codec
from contracts.partitioning import record_key
from contracts.records import Action, Engagement, TimelineRequest, Tweet
from simulation.load import Load


def test_chunks_have_the_mix_and_engagements_name_requests_that_were_made() -> None:
    load = Load(1, tweets_per_second=1_000)
    chunks = list(load.chunks(5))
    tweets = {t.id: t for chunk in chunks for t in map(Codec(Tweet).deserialize, chunk.tweets[1])}
    asks = {a.request_id: a for chunk in chunks for a in map(Codec(TimelineRequest).deserialize, chunk.requests[1])}
    assert (len(tweets), len(asks)) == (5_000, 100)
    assert all(key == record_key(ask.viewer_id) for chunk in chunks for key, ask in zip(chunk.requests[0], map(
        Codec(TimelineRequest).deserialize, chunk.requests[1]), strict=True))  # fmt: skip
    last = 0
    for chunk in chunks:
        events = [Codec(Engagement).deserialize(value) for value in chunk.engagements[1]]
        assert len(events) == (0 if chunk is chunks[0] else 1_000)
        for key, event in zip(chunk.engagements[0], events, strict=True):
            ask = asks[event.request_id or ""]
            assert (event.viewer_id, key) == (ask.viewer_id, record_key(event.viewer_id))
            assert ask.candidates is not None
            assert ask.candidates[event.position or 0] == event.tweet_id
            assert len(ask.candidates) == ask.limit == 100
            assert tweets[event.tweet_id].author_id == event.author_id
            assert tweets[event.tweet_id].created_ms <= ask.at_ms <= event.at_ms < chunk.end_ms
        assert sum(event.action is Action.LIKE for event in events) == len(events) // 5
        last = chunk.end_ms
    assert last == load._begin_ms + 5_000


def test_fast_tweets_are_ordered_distinct_and_seeded() -> None:
    keys, values = Load(2).fast_tweets(3_000)
    assert (keys, values) == Load(2).fast_tweets(3_000)
    found = [Codec(Tweet).deserialize(value) for value in values]
    assert [record_key(tweet.id) for tweet in found] == keys
    assert len(set(keys)) == 3_000
    assert len({tweet.text for tweet in found}) > 2_000
    times = [tweet.created_ms for tweet in found]
    assert times == sorted(times)

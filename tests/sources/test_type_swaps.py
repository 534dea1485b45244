"""Any type at any place of a foreign tweet makes a tweet or a reason, never a crash."""

import json
from typing import Any

import pytest

from contracts.errors import BadRecord
from contracts.records import END_OF_TIME_MS, Tweet
from contracts.topics import TWEETS
from sources import tweet_from_foreign_json
from sources.decode_tweet import decode_tweet
from tests.support.type_swaps import swapped
from transport.dead_letters import dead_letter
from transport.ports.kafka_records import LogRecord

V2 = {
    "id": "1228393702244134912",
    "text": "hello #tag @someone $CASH https://t.co/x",
    "author_id": "3",
    "created_at": "2020-02-14T19:00:55.000Z",
    "lang": "en",
    "note_tweet": {"text": "hello, and much more of it #tag"},
    "entities": {
        "hashtags": [{"start": 6, "end": 10, "tag": "tag"}],
        "mentions": [{"username": "someone"}],
        "cashtags": [{"tag": "CASH"}],
        "urls": [
            {"url": "https://t.co/x", "expanded_url": "https://example.com/", "unwound_url": "https://example.com/"}
        ],
    },
    "public_metrics": {"like_count": 1, "retweet_count": 2, "reply_count": 3, "quote_count": 4},
    "referenced_tweets": [{"type": "quoted", "id": "12"}, {"type": "replied_to", "id": "13"}],
    "attachments": {"media_keys": ["3_1"]},
    "author": {"username": "me", "public_metrics": {"followers_count": 5, "following_count": 6}},
}
PAGE = {
    "data": [{name: V2[name] for name in ("id", "text", "author_id", "created_at")}],
    "includes": {"users": [{"id": "3", "username": "me", "public_metrics": {"followers_count": 5}}]},
}
V1 = {
    "id_str": "1779889131",
    "id": 1779889131,
    "created_at": "Wed Mar 18 13:46:38 +0000 2009",
    "text": "short",
    "full_text": "hello #tag @someone $CASH https://t.co/x",
    "lang": "en",
    "extended_tweet": {"full_text": "hello, and much more of it #tag", "entities": {"hashtags": [{"text": "tag"}]}},
    "extended_entities": {"media": [{"id": 1}]},
    "user": {"id_str": "3", "id": 3, "screen_name": "me", "followers_count": 5, "friends_count": 6},
    "entities": {
        "hashtags": [{"text": "tag"}],
        "user_mentions": [{"screen_name": "someone"}],
        "symbols": [{"text": "CASH"}],
        "urls": [{"expanded_url": "https://example.com/", "url": "https://t.co/x"}],
        "media": [{"id": 1}],
    },
    "favorite_count": 1,
    "retweet_count": 2,
    "reply_count": 3,
    "quote_count": 4,
    "in_reply_to_status_id_str": "12",
    "quoted_status_id": 13,
    "retweeted_status": {"id_str": "14"},
}
OWN = {
    "v": 1,
    "id": 1,
    "created_ms": 1_700_000_000_000,
    "author_id": 3,
    "author": "me",
    "text": "hello",
    "lang": "en",
    "author_followers": 5,
    "entities": {"hashtags": ["tag"], "mentions": [], "cashtags": [], "urls": ["https://example.com/"]},
    "public_counts": {"likes": 1, "retweets": 2, "replies": 3, "quotes": 4},
    "reply_to": 12,
    "media": 1,
    "provenance": "real",
}
SHAPES = {"v2": V2, "page": PAGE, "v1": V1, "own": OWN}


@pytest.mark.parametrize("name", SHAPES)
def test_a_sound_object_of_each_shape_is_a_tweet(name: str) -> None:
    assert isinstance(tweet_from_foreign_json(json.dumps(SHAPES[name]).encode()), Tweet)


@pytest.mark.parametrize("name", SHAPES)
def test_any_type_at_any_place_is_a_tweet_or_a_reason(name: str) -> None:
    crashed = {
        (path, repr(other), type(error).__name__)
        for path, other, whole in swapped(SHAPES[name])
        if (error := crash(whole)) is not None
    }
    assert not crashed


def crash(value: Any) -> Exception | None:
    """What was raised that is no `BadRecord`, by decoding the value or by writing its dead letter."""
    record = LogRecord(TWEETS.name, 0, 7, END_OF_TIME_MS, b"12", json.dumps(value).encode())
    try:
        try:
            assert isinstance(decode_tweet(record.value or b""), Tweet)
        except BadRecord as error:
            dead_letter(TWEETS, record, error)
    except Exception as error:  # noqa: BLE001 - what this test looks for
        return error
    return None

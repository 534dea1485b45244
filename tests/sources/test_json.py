"""Foreign JSON: the two shapes of X, their pages and envelopes, and what happens to bad input."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import BadRecord, BadSource
from contracts.records import MAX_TWEET_BYTES, Provenance, PublicCounts, Tweet
from sources import Rejected, open_source, tweet_from_foreign_json

V2: dict[str, Any] = {
    "id": "1346889436626259968",
    "author_id": "2244994945",
    "created_at": "2021-01-06T18:40:40.000Z",
    "text": "Learn &amp; build #Twitter with @XDevelopers $TWTR https://t.co/abc",
    "lang": "en",
    "entities": {
        "hashtags": [{"start": 15, "end": 23, "tag": "Twitter"}],
        "mentions": [{"start": 29, "end": 41, "username": "XDevelopers"}],
        "cashtags": [{"start": 42, "end": 47, "tag": "TWTR"}],
        "urls": [{"url": "https://t.co/abc", "expanded_url": "https://example.org/a"}],
    },
    "public_metrics": {"retweet_count": 3, "reply_count": 2, "like_count": 7, "quote_count": 1},
    "referenced_tweets": [{"type": "quoted", "id": "11"}, {"type": "replied_to", "id": "12"}],
    "attachments": {"media_keys": ["3_1", "3_2"]},
}
USER = {"id": "2244994945", "username": "someone", "public_metrics": {"followers_count": 5, "following_count": 6}}
V1: dict[str, Any] = {
    "id": 872836479608733700,
    "id_str": "872836479608733696",
    "created_at": "Thu Jun 08 15:23:27 +0000 2017",
    "text": "short",
    "user": {"id": 7, "id_str": "7", "screen_name": "robot", "followers_count": 9, "friends_count": 8},
    "entities": {"hashtags": [{"text": "a"}], "user_mentions": [{"screen_name": "b"}], "symbols": [], "urls": []},
    "extended_entities": {"media": [{}, {}, {}]},
    "favorite_count": 4,
    "retweet_count": 2,
    "lang": "en",
}


def of(fields: dict[str, Any]) -> Tweet:
    return tweet_from_foreign_json(json.dumps(fields).encode())


def reason_of(value: bytes) -> str:
    with pytest.raises(BadRecord) as caught:
        tweet_from_foreign_json(value)
    return caught.value.reason


def changed(shape: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({**shape, **fields}).encode()


def without(shape: dict[str, Any], field: str) -> bytes:
    return json.dumps({name: value for name, value in shape.items() if name != field}).encode()


def test_v2_object_becomes_a_tweet_with_all_it_says() -> None:
    tweet = of(V2)
    assert tweet.id == 1346889436626259968
    assert tweet.created_ms == 1609958440000
    assert (tweet.author_id, tweet.author) == (2244994945, "2244994945")
    assert tweet.text == "Learn & build #Twitter with @XDevelopers $TWTR https://t.co/abc"
    assert tweet.entities is not None
    assert tweet.entities.hashtags == ["Twitter"]
    assert tweet.entities.mentions == ["XDevelopers"]
    assert tweet.entities.cashtags == ["TWTR"]
    assert tweet.entities.urls == ["https://example.org/a"]
    assert tweet.public_counts == PublicCounts(likes=7, retweets=3, replies=2, quotes=1)
    assert (tweet.quote_of, tweet.reply_to, tweet.retweet_of, tweet.media) == (11, 12, None, 2)
    assert tweet.provenance is Provenance.REAL


def test_v2_stream_envelope_names_the_author_by_its_includes() -> None:
    tweet = of({"data": V2, "includes": {"users": [USER]}, "matching_rules": []})
    assert (tweet.author, tweet.author_followers, tweet.author_following) == ("someone", 5, 6)


def test_v2_object_flattened_by_a_tool_carries_its_author_inside() -> None:
    assert of({**V2, "author": USER}).author == "someone"


def test_v2_note_tweet_gives_the_whole_text() -> None:
    assert of({**V2, "note_tweet": {"text": "x" * 1000}}).text == "x" * 1000


def test_v2_object_without_time_takes_its_ids() -> None:
    tweet = tweet_from_foreign_json(without(V2, "created_at"))
    assert abs(tweet.created_ms - 1609958440000) < 1000


@pytest.mark.parametrize(
    "fields",
    [
        {
            "text": "short…",
            "extended_tweet": {"full_text": "the whole text", "entities": {"hashtags": [{"text": "z"}]}},
        },
        {"full_text": "the whole text"},
        {"text": "the whole text"},
    ],
    ids=["extended_tweet", "full_text", "text"],
)
def test_v1_status_gives_the_longest_text_it_has(fields: dict[str, Any]) -> None:
    shape = {name: value for name, value in V1.items() if name != "text"}
    assert of({**shape, **fields}).text == "the whole text"


def test_v1_status_becomes_a_tweet_with_all_it_says() -> None:
    tweet = of({**V1, "quoted_status_id_str": "5", "in_reply_to_status_id_str": "6", "retweeted_status": {"id": 4}})
    assert tweet.id == 872836479608733696, "the digits of id_str, not the rounded number"
    assert tweet.created_ms == 1496935407000
    assert (tweet.author_id, tweet.author, tweet.author_followers, tweet.author_following) == (7, "robot", 9, 8)
    assert tweet.entities is not None
    assert (tweet.entities.hashtags, tweet.entities.mentions) == (["a"], ["b"])
    assert tweet.public_counts == PublicCounts(likes=4, retweets=2)
    assert (tweet.quote_of, tweet.reply_to, tweet.retweet_of, tweet.media) == (5, 6, 4, 3)


def test_our_own_record_is_read_as_it_is() -> None:
    assert of({"id": 1, "created_ms": 1500000000000, "author_id": 2, "author": "a", "text": "t"}).text == "t"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "malformed"),
        (b"", "malformed"),
        (b"[1, 2]", "malformed"),
        (b"7", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"id": "1", "author_id": "2", "text": "\xff\xfe"}', "invalid_utf8"),
        (b'{"unrelated": 1}', "not_a_tweet"),
        (without(V2, "text"), "missing_field"),
        (without(V2, "author_id"), "missing_field"),
        (without(V1, "created_at"), "missing_field"),
        (without(V1, "user"), "missing_field"),
        (changed(V2, text=5), "malformed"),
        (changed(V2, entities=[1]), "malformed"),
        (changed(V2, entities={"hashtags": "x"}), "malformed"),
        (changed(V1, user="x"), "malformed"),
        (changed(V2, id=str(2**63)), "bad_id"),
        (changed(V2, id=2**70), "bad_id"),
        (changed(V2, id=-1), "bad_id"),
        (changed(V2, id=True), "bad_id"),
        (changed(V2, id=1.5), "bad_id"),
        (changed(V2, author_id="nobody"), "bad_id"),
        (changed(V2, created_at="1970-01-01T00:00:00Z"), "bad_time"),
        (changed(V2, created_at="yesterday"), "bad_time"),
        (changed(V2, created_at="2021-13-45T00:00:00Z"), "bad_time"),
        (changed(V1, created_at="Thu Foo 08 15:23:27 +0000 2017"), "bad_time"),
        (changed(V2, text="x" * 25_001), "malformed"),
        (changed(V2, text="x" * 10_000_000), "too_large"),
        (json.dumps({"data": [V2, V2]}).encode(), "not_one_tweet"),
        (json.dumps({"data": []}).encode(), "not_one_tweet"),
        (json.dumps({"data": V2, "includes": {"users": [7]}}).encode(), "malformed"),
        (changed({"created_ms": "x"}), "malformed"),
    ],
)
def test_bad_json_is_refused_with_its_reason(value: bytes, reason: str) -> None:
    assert reason_of(value) == reason


_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@given(shape=st.sampled_from([V1, V2]), data=st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_field_it_is_a_tweet_or_a_named_reason(
    shape: dict[str, Any], data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(sorted(shape)))
    value = changed(shape, **{field: data.draw(_any_json)})
    reason = None
    try:
        tweet_from_foreign_json(value)
    except BadRecord as error:
        reason = error.reason
    assert reason in {None, "malformed", "missing_field", "bad_id", "bad_time"}


@given(st.binary(max_size=200))
def test_any_bytes_are_a_tweet_or_a_named_reason(value: bytes) -> None:
    with pytest.raises(BadRecord):
        tweet_from_foreign_json(value)


def test_file_of_lines_passes_good_rows_and_names_bad_ones(tmp_path: Path) -> None:
    huge = changed(V2, id="99", text="y" * 10_000_000)
    rows = [
        changed(V1),
        b"not json",
        json.dumps({"data": [V2, {**V2, "id": "8"}], "includes": {"users": [USER]}}).encode(),
        huge,
        b"",
        changed(V2, id="8"),
        changed(V2, id="9", created_at="2035-01-01T00:00:00Z"),
        b'{"id": "10", "author_id": "2", "text": "\xff"}',
        changed(V2, id="13", created_at="2020-01-01T00:00:00Z"),
    ]
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(b"\r\n".join(rows))
    source = open_source(path, not_after_ms=1_900_000_000_000)
    found = list(source)
    tweets = [item.id for item in found if isinstance(item, Tweet)]
    rejected = [(item.row, item.reason) for item in found if isinstance(item, Rejected)]
    assert tweets == [872836479608733696, 1346889436626259968, 8, 13], "out of order is fine, a repeated id is not"
    assert rejected == [(2, "malformed"), (4, "too_large"), (7, "bad_time"), (8, "invalid_utf8")]
    assert source.counts["duplicate"] == 1


def test_too_large_a_tweet_is_kept_as_hash_beginning_and_origin(tmp_path: Path) -> None:
    import hashlib

    huge = changed(V2, text="y" * 30_000_000)
    path = tmp_path / "huge.jsonl"
    path.write_bytes(huge + b"\n" + changed(V1) + b"\n")
    rejected, tweet = list(open_source(path))
    assert isinstance(rejected, Rejected)
    assert isinstance(tweet, Tweet)
    assert (rejected.reason, rejected.row, rejected.size) == ("too_large", 1, len(huge))
    assert rejected.sha256 == hashlib.sha256(huge).hexdigest()
    letter = rejected.dead_letter()
    assert (letter.topic, letter.offset, letter.value) == ("file:huge.jsonl", 1, huge[:1024])
    assert rejected.sha256 in letter.detail


def test_entities_cannot_make_a_record_too_large(tmp_path: Path) -> None:
    urls = [{"expanded_url": "https://e.org/" + "&lt;" * 100}] * 600
    assert len(changed(V2, entities={"urls": urls})) < MAX_TWEET_BYTES + 20_000
    assert reason_of(changed(V2, entities={"urls": [{"url": "u" * 1000}] * 259})) == "too_large"


def test_array_and_printed_object_are_read_whole(tmp_path: Path) -> None:
    array, printed = tmp_path / "array.json", tmp_path / "one.json"
    array.write_text(json.dumps([V1, V2], indent=1))
    printed.write_text("\ufeff" + json.dumps({"data": [V2], "includes": {"users": [USER]}}, indent=2))
    assert [item.id for item in open_source(array) if isinstance(item, Tweet)] == [
        872836479608733696,
        1346889436626259968,
    ]
    assert [item.author for item in open_source(printed) if isinstance(item, Tweet)] == ["someone"]


def test_a_retweet_in_v1_has_the_whole_text_of_the_tweet_it_shares() -> None:
    shared = {
        **V1,
        "id_str": "5",
        "text": "the cup of the #world…",
        "extended_tweet": {"full_text": "the cup of the #worldcup", "entities": {"hashtags": [{"text": "worldcup"}]}},
        "user": {"id_str": "8", "screen_name": "fifa"},
    }
    own = {"text": "RT @fifa: the cup of the #world…", "entities": {"hashtags": [{"text": "world"}]}}
    tweet = of({**V1, **own, "retweeted_status": shared})
    assert tweet.text == "RT @fifa: the cup of the #worldcup"
    assert tweet.entities is not None
    assert (tweet.entities.hashtags, tweet.entities.mentions) == (["worldcup"], ["fifa"])
    assert (tweet.id, tweet.retweet_of, tweet.author) == (872836479608733696, 5, "robot")


def test_a_retweet_in_v2_has_the_whole_text_of_the_tweet_that_its_page_includes() -> None:
    own = {
        **V2,
        "text": "RT @fifa: the #world…",
        "entities": {},
        "referenced_tweets": [{"type": "retweeted", "id": "5"}],
    }
    shared = {
        "id": "5",
        "author_id": "8",
        "text": "the #world…",
        "note_tweet": {"text": "the #worldcup", "entities": {"hashtags": [{"tag": "worldcup"}]}},
    }
    page = {"data": own, "includes": {"users": [USER, {"id": "8", "username": "fifa"}], "tweets": [shared]}}
    tweet = of(page)
    assert tweet.text == "RT @fifa: the #worldcup"
    assert tweet.entities is not None
    assert (tweet.entities.hashtags, tweet.entities.mentions) == (["worldcup"], ["fifa"])
    assert (tweet.retweet_of, tweet.author) == (5, "someone")
    without_it = of({"data": own, "includes": {"users": [USER]}})
    assert without_it.text == "RT @fifa: the #world…"


@pytest.mark.parametrize("count", [None, -1, "many", [], 2.5, True, 2**60])
def test_a_count_that_is_none_rejects_no_tweet(count: object) -> None:
    tweet = of(
        {"data": {**V2, "public_metrics": {"like_count": count, "reply_count": 2}}, "includes": {"users": [USER]}}
    )
    assert tweet.public_counts == PublicCounts(likes=0, retweets=0, replies=2, quotes=0)
    user = {**V1["user"], "followers_count": count, "friends_count": 3.0}
    tweet = of({**V1, "favorite_count": count, "user": user})
    assert tweet.public_counts is not None
    assert (tweet.public_counts.retweets, tweet.author_followers, tweet.author_following) == (2, None, 3)


def test_a_deeply_nested_array_is_no_source(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000 + "]" * 100_000)
    with pytest.raises(BadSource, match="a JSON array that does not parse"):
        list(open_source(path))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": 1, "created_at": "2020-02-14", "author_id": 2, "author": "ada", "text": "x"}, "`created_ms`"),
        ({"id": 1, "author_id": 2, "author_followers": 3, "text": "x"}, "`created_ms`"),
        ({"id": "1", "created_ms": 1_500_000_000_000, "author_id": "2", "author": "ada"}, "`text`"),
        ({"id": "1", "author_id": "2", "author": 5, "text": "x"}, "`author` is int, expected an object"),
        ({"id_str": "1", "user": {"id": 2}, "text": "x", "author": "ada"}, "`created_at` is missing"),
    ],
)
def test_the_reason_is_that_of_the_nearest_shape(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(BadRecord, match=re.escape(reason)):
        tweet_from_foreign_json(json.dumps(fields).encode())


def test_our_own_record_may_have_its_ids_as_strings() -> None:
    fields = {"id": "9007199254740993", "created_ms": 1_500_000_000_000, "author_id": "2", "author": "a", "text": "x"}
    assert tweet_from_foreign_json(json.dumps(fields).encode()).id == 2**53 + 1

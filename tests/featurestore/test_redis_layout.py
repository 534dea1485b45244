"""Bytes in Redis: records of tweets keep the keys that the rules say, and every layout is what the docs say."""

import random
import string

import msgspec
import numpy as np
import pytest

from contracts.columns import MISSING, is_missing
from contracts.errors import BadRecord
from contracts.records import Provenance, Tweet
from featurestore import features
from featurestore.features import (
    CANDIDATE_DENSE,
    CANDIDATE_FIELDS,
    SERVED_KEYS,
    TAG_KEYS,
    TWEET_COUNTED,
    TWEET_FIELDS,
    TWEET_KEYS,
)
from featurestore.store import redis_layout as layout
from featurestore.store.redis_layout import (
    COUNTERS_RECORD,
    HISTORY_RECORD,
    TWEET,
    WORD_SUBWORDS,
    Keys,
    mix64,
    owner_of,
    pair_of,
)
from featurestore.store.tweet_records import tweet_dense, tweet_records, tweet_values
from scripts.write_features_docs import written
from tests.golden.compare import assert_same_bits
from tests.support.installation import INSTALLED, PARTITIONS
from tests.support.paths import DOCS
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.tokens.tokenizer import Tokenizer


def tweet(i=1, text="Kakapo are green #parrot @nzbirds 🦜 https://doc.govt.nz/x", **changes) -> Tweet:
    fields = {
        "id": i, "created_ms": 1_760_000_000_000 + i, "author_id": 7, "author": "Sirocco", "text": text, "lang": "en",
        "author_followers": 120, "media": 2, "reply_to": 5, "provenance": Provenance.SIMULATED_WORLD,
    }  # fmt: skip
    return Tweet(**{**fields, **changes})


def records_of(*tweets):
    return tweet_records(tweets, Tokenizer().tokenize(tweets))


def bags_of(record):
    ends = np.cumsum(record["lengths"].astype(int))
    return {
        field: record["keys"][end - length : end].tolist()
        for field, end, length in zip(TWEET_FIELDS, ends, record["lengths"].tolist(), strict=True)
    }


def test_a_tweets_keys_stand_field_after_field():
    record = records_of(tweet())[0]
    bags = bags_of(record)
    assert bags["author"] == [key_of(Namespace.AUTHOR, "7")]
    assert bags["tags"][0] == key_of(Namespace.HASHTAG, "parrot")
    assert record["hashtags"] == 1
    assert key_of(Namespace.MENTION, "nzbirds") in bags["tags"]
    assert bags["text"][0] == key_of(Namespace.LANG, "en")
    assert key_of(Namespace.WORD, "kakapo") in bags["text"]
    assert key_of(Namespace.BIGRAM, "kakapo are") in bags["text"]
    assert (record["keys"][sum(record["lengths"]) :] == 0).all()


def test_a_long_tweet_loses_bigrams_first_and_keeps_its_author():
    words = ["".join(random.Random(i).choices(string.ascii_lowercase, k=6)) for i in range(40)]
    record = records_of(tweet(text=" ".join(words) + "".join(f" #tag{i}" for i in range(12))))[0]
    bags = bags_of(record)
    assert sum(record["lengths"]) == TWEET_KEYS
    assert bags["tags"] == [key_of(Namespace.HASHTAG, f"tag{i}") for i in range(TAG_KEYS)]
    assert bags["author"] == [key_of(Namespace.AUTHOR, "7")]
    room = TWEET_KEYS - TAG_KEYS - 1
    assert bags["text"] == [key_of(Namespace.LANG, "en")] + [key_of(Namespace.WORD, w) for w in words[: room - 1]]
    assert record["tag_count"] == 12


def test_the_features_of_a_new_tweet_are_what_it_says():
    dense = tweet_dense(records_of(tweet(), tweet(2, text="", author_followers=None, media=0, reply_to=None)))
    expected = {
        "tweet.text_length": [len(tweet().text), 0], "tweet.tag_count": [3, 0], "tweet.media": [2, 0],
        "tweet.is_reply": [1, 0], "tweet.is_quote": [0, 0], "tweet.author_followers": [120, MISSING],
    }  # fmt: skip
    assert tuple(expected) == TWEET_COUNTED
    assert_same_bits(dense.T, np.array(list(expected.values()), np.float32))


def test_values_decode_to_their_records_and_tails():
    tweets = [tweet(i, text="ünïcode 🦜" * i, author="a" * i) for i in range(1, 200)] + [
        tweet(200, text="\ud800 alone")
    ]
    records = records_of(*tweets)
    values = tweet_values(records, tweets, np.zeros((records["words"].sum(), WORD_SUBWORDS), np.uint32))
    decoded = layout.unpack_tweets(values)
    assert decoded.tobytes() == records.tobytes()
    for record, value, original in zip(decoded, values, tweets, strict=True):
        handle_at = TWEET.itemsize + 4 * WORD_SUBWORDS * int(record["words"])
        text_at = handle_at + int(record["handle_bytes"])
        assert value[handle_at:text_at].decode() == original.author
        assert len(value) == text_at + record["text_bytes"]
    assert values[-1].endswith(b"? alone")  # a lone surrogate can't be UTF-8


@pytest.mark.parametrize("known", [[], [0, 12, 2**24]])
def test_unknown_followers_are_missing_in_redis_and_out_of_it(known):
    tweets = [tweet(i, author_followers=n) for i, n in enumerate([None, *known, None])]
    records = records_of(*tweets)
    values = tweet_values(records, tweets, np.zeros((records["words"].sum(), WORD_SUBWORDS), np.uint32))
    dense = tweet_dense(layout.unpack_tweets(values))[:, TWEET_COUNTED.index("tweet.author_followers")]
    assert is_missing(dense).tolist() == [True, *[False] * len(known), True]
    assert dense[1:-1].tolist() == known


def test_records_do_not_depend_on_the_batch():
    tweets = [tweet(i, text=f"word{i % 7} word{i % 11} #tag{i % 5}") for i in range(50)]
    whole = records_of(*tweets)
    for i in (0, 17, 49):
        assert records_of(tweets[i])[0].tobytes() == whole[i].tobytes()


def test_a_served_candidate_weighs_at_most_400_bytes():
    fixed = 8 + 8 + 4  # tweet id, author id, probability
    assert fixed + 4 * len(CANDIDATE_DENSE) + len(CANDIDATE_FIELDS) + 8 * SERVED_KEYS <= 400


def test_foreign_bytes_are_refused():
    with pytest.raises(BadRecord):
        layout.unpack_records(COUNTERS_RECORD, [b"x" * COUNTERS_RECORD.itemsize, b"short"])
    for other in (layout.TWEET_FORMAT - 1, layout.TWEET_FORMAT + 1):
        with pytest.raises(BadRecord, match="is not of format"):
            layout.unpack_tweets([bytes([other]) + bytes(TWEET.itemsize - 1)])
    with pytest.raises(BadRecord):
        layout.unpack_tweets([b"short"])


def test_the_version_stands_first_and_compares_as_bytes():
    for dtype in (COUNTERS_RECORD, HISTORY_RECORD):
        record = np.zeros(1, dtype)
        record["version"] = 0x0102030405060708
        assert layout.pack_records(record)[0][:8] == bytes(range(1, 9))


def test_keys_of_one_owner_share_a_hash_tag():
    keys = Keys(msgspec.structs.replace(INSTALLED, prefix="test-"))
    ids = np.arange(100, dtype=np.uint64)
    for key, owner in zip(
        keys.tweets(ids) + keys.histories(ids), [*owner_of(ids, PARTITIONS), *owner_of(ids, PARTITIONS)], strict=True
    ):
        assert key.startswith(b"test-f:{%d}:" % owner)
    assert keys.counters(3, np.array([12], np.uint64))[0].endswith(b":n:pair:12")


def test_hashes_and_layouts_never_change():
    assert mix64(np.array([1, 2**64 - 1], np.uint64)).tolist() == [6238072747940578789, 13029008266876403067]
    assert owner_of(np.arange(100, 108, dtype=np.uint64), PARTITIONS).tolist() == [0, 3, 3, 1, 2, 3, 1, 1]
    assert pair_of(np.array([1], np.uint64), np.array([2], np.uint64)).tolist() == [583880340377267059]
    assert (TWEET.itemsize, COUNTERS_RECORD.itemsize, HISTORY_RECORD.itemsize) == (304, 108, 264)
    assert features.FEATURE_SET == "d756464413fc751f"


@pytest.mark.parametrize("dtype", [TWEET, COUNTERS_RECORD, HISTORY_RECORD], ids=["tweet", "counters", "history"])
def test_the_docs_show_every_field_at_its_place(dtype):
    text = (DOCS / "redis.md").read_text()
    for name in dtype.names:
        field, offset = dtype.fields[name][:2]
        assert f"| {offset} | {field.itemsize} | `{name}` |" in text


def test_the_docs_explain_every_feature():
    text = (DOCS / "features.md").read_text()
    assert text == written(text), "run: .venv/bin/python scripts/write_features_docs.py"
    for feature in features.CONTINUOUS:
        assert f"| `{feature.name}` | {feature.counted_from} | {feature.meaning} |" in text
    for field in (*features.VIEWER_FIELDS, *features.CANDIDATE_FIELDS):
        assert f"| `{field}` |" in text

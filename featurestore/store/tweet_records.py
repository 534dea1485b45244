"""Makes the fixed-width records that Redis keeps from tweets and their tokens, and the dense features of new tweets.

A tweet has at most TWEET_KEYS keys, chosen in this order: its author; hashtags, cashtags, mentions and domains, at
most TAG_KEYS; then language, words, emoji and bigrams. So a long tweet loses bigrams first. Keys of one kind are in
order of first occurrence. The record also has n-grams of the first WORDS_WITH_SUBWORDS words.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from contracts.arrays import F32, U32, Records
from contracts.columns import MISSING
from contracts.records import Provenance, Tweet
from featurestore.features import CANDIDATE_DENSE, TAG_KEYS, TWEET_FIELDS, TWEET_KEYS
from featurestore.store.grouping import place_in_group
from featurestore.store.programs import Compiled, Inputs
from featurestore.store.redis_layout import (
    QUOTE,
    REPLY,
    RETWEET,
    SHOWN_CHARS,
    TWEET,
    TWEET_FORMAT,
    WORD_SUBWORDS,
    WORDS_WITH_SUBWORDS,
)
from vocab.namespaces import Namespace

if TYPE_CHECKING:
    from vocab.tokens.tokenizer import TokenBatch

_TEXT, _TAGS, _AUTHOR = (TWEET_FIELDS.index(name) for name in ("text", "tags", "author"))
_ORDER = {  # field -> its namespaces, in the order that a tweet's keys are kept in
    _TEXT: (Namespace.LANG, Namespace.WORD, Namespace.EMOJI, Namespace.BIGRAM),
    _TAGS: (Namespace.HASHTAG, Namespace.CASHTAG, Namespace.MENTION, Namespace.DOMAIN),
    _AUTHOR: (Namespace.AUTHOR,),
}
_NO_FIELD = len(TWEET_FIELDS)
_FIELD = np.full(256, _NO_FIELD, np.int64)
_RANK = np.zeros(256, np.int64)
for _field, _namespaces in _ORDER.items():
    for _rank, _namespace in enumerate(_namespaces):
        _FIELD[_namespace], _RANK[_namespace] = _field, _rank
_COUNTED_PROGRAMS = Compiled([feature for feature in CANDIDATE_DENSE if feature.counted_from == "tweets"])
_PROVENANCE = {provenance: number for number, provenance in enumerate(Provenance)}


def tweet_records(tweets: Sequence[Tweet], batch: "TokenBatch") -> Records:
    """TWEET records [n] of n tweets; `batch` holds their tokens. The lengths of the tail stay 0."""
    records = np.zeros(len(tweets), TWEET)
    records["format"] = TWEET_FORMAT
    records["id"] = [tweet.id for tweet in tweets]
    records["created_ms"] = [tweet.created_ms for tweet in tweets]
    records["author_id"] = [tweet.author_id for tweet in tweets]
    followers = [-1 if tweet.author_followers is None else tweet.author_followers for tweet in tweets]
    records["author_followers"] = followers
    records["author_followers"][records["author_followers"] < 0] = MISSING
    records["text_length"] = [len(tweet.text) for tweet in tweets]
    records["media"] = [tweet.media for tweet in tweets]
    records["provenance"] = [_PROVENANCE[tweet.provenance] for tweet in tweets]
    records["flags"] = [
        REPLY * (tweet.reply_to is not None)
        | QUOTE * (tweet.quote_of is not None)
        | RETWEET * (tweet.retweet_of is not None)
        for tweet in tweets
    ]
    _keep_keys(records, batch)
    return records


def _keep_keys(records: Records, batch: "TokenBatch") -> None:
    """Fills `keys`, `lengths`, `hashtags`, `words` and `tag_count`."""
    n, fields = len(records), len(TWEET_FIELDS)
    rows = np.repeat(np.arange(n, dtype=np.int64), np.diff(batch.offsets))
    field = _FIELD[batch.namespaces]
    # One sort puts tokens into (tweet, field, kind, occurrence) order. Sorting one packed key is several times faster
    # than sorting columns.
    token = np.arange(len(rows), dtype=np.int64)
    packed = np.sort((((rows * (fields + 1) + field) * 4 + _RANK[batch.namespaces]) << 32) | token)
    token = packed & 0xFFFFFFFF
    token = token[field[token] != _NO_FIELD]
    rows, field, namespaces = rows[token], field[token], batch.namespaces[token]
    bag = rows * fields + field
    found = np.bincount(bag, minlength=n * fields).reshape(n, fields)
    lengths = np.minimum(found, [TWEET_KEYS, TAG_KEYS, 1])
    lengths[:, _TEXT] = np.minimum(lengths[:, _TEXT], TWEET_KEYS - lengths[:, _TAGS] - lengths[:, _AUTHOR])
    begins = np.cumsum(lengths, axis=1) - lengths
    place = place_in_group(bag)
    kept = place < lengths.reshape(-1)[bag]
    records["keys"][rows[kept], (begins.reshape(-1)[bag] + place)[kept]] = batch.keys[token[kept]]
    records["lengths"] = lengths
    records["hashtags"] = np.bincount(rows[kept & (namespaces == Namespace.HASHTAG)], minlength=n)
    words = np.bincount(rows[kept & (namespaces == Namespace.WORD)], minlength=n)
    records["words"] = np.minimum(words, WORDS_WITH_SUBWORDS)
    records["tag_count"] = np.minimum(found[:, _TAGS], 2**16 - 1)


def tweet_values(records: Records, tweets: Sequence[Tweet], subwords: U32) -> list[bytes]:
    """The values that Redis keeps: each record, with the lengths of its tail filled in, and then the tail.

    subwords: uint32[words of all, WORD_SUBWORDS], from `subwords.subwords_of`.
    """
    handles = [tweet.author.encode(errors="replace") for tweet in tweets]
    texts = [tweet.text[:SHOWN_CHARS].encode(errors="replace") for tweet in tweets]
    records["handle_bytes"] = [len(handle) for handle in handles]
    records["text_bytes"] = [len(text) for text in texts]
    data, width = records.tobytes(), TWEET.itemsize
    grams = subwords.astype("<u4").tobytes()
    ends = np.cumsum(records["words"], dtype=np.int64) * (4 * WORD_SUBWORDS)
    spans = zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True) if len(ends) else ()
    return [
        data[i * width : (i + 1) * width] + grams[begin:end] + handle + text
        for i, ((begin, end), handle, text) in enumerate(zip(spans, handles, texts, strict=True))
    ]


def tweet_dense(records: Records) -> F32:
    """float32[n, len(TWEET_COUNTED)]: the dense features that a new tweet already has. records: TWEET [n]."""
    return _COUNTED_PROGRAMS.run(Inputs(tweets=records), len(records))

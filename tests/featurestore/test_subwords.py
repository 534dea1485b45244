"""The field `subwords`: the n-grams of words that a vocabulary has not admitted, and of no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import BadRecord
from contracts.records import Tweet
from contracts.settings import VocabSettings
from featurestore.features import SERVED_KEYS, SUBWORDS, TWEET_KEYS
from featurestore.store import redis_layout as layout
from featurestore.store.redis_layout import TWEET, WORD_SUBWORDS, WORDS_WITH_SUBWORDS
from featurestore.store.subwords import TweetWords, subwords_of
from featurestore.store.subwords_reference import served_subwords
from featurestore.store.tweet_records import tweet_records, tweet_values
from tests.support.unhurried import unhurried
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.replica.vocabulary import FrozenVocabulary
from vocab.tokens.subwords_reference import subword_keys
from vocab.tokens.tokenizer import Tokenizer

WORDS = ["a", "to", "東", "straße", *(f"blorp{end}" for end in "abcdefghijklmnop"), "unfriendliness", "🙂x"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)


def tweet(i: int, text: str) -> Tweet:
    return Tweet(id=i, created_ms=1_760_000_000_000 + i, author_id=7, author="ann", text=text, lang="en")


def written(texts):
    """(records, values) of tweets, as the writer of the store makes them."""
    tweets = [tweet(i, text) for i, text in enumerate(texts, 1)]
    batch = Tokenizer().tokenize(tweets)
    records = tweet_records(tweets, batch)
    return records, tweet_values(records, tweets, subwords_of(records, batch))


def read(texts, row=None):
    _, values = written(texts)
    rows = np.arange(len(texts)) if row is None else np.array(row, np.int64)
    return TweetWords.of(layout.unpack_tweets(values), values, rows)


def admitting(words):
    """A vocabulary in which these words have slots."""
    empty = FrozenVocabulary.empty(VocabSettings.uniform(capacity=128, rare_slots=64))
    keys = np.unique(np.array([key_of(Namespace.WORD, word) for word in words], np.uint64))
    slots = np.concatenate([empty.layout.slots_of(0, shard) for shard in range(empty.layout.shards)])
    return FrozenVocabulary(
        version=1, sequence=1, layout=empty.layout, keys=keys, slots=slots[: len(keys)],
        generations=np.ones(len(keys), np.uint32),
    )  # fmt: skip


@unhurried
@given(st.lists(TEXTS, max_size=6), st.sets(st.sampled_from(WORDS)), st.data())
def test_what_is_served_is_what_the_reference_says(texts, admitted, data):
    row = data.draw(st.lists(st.sampled_from(range(len(texts))), max_size=9)) if texts else []
    bags = read(texts, row).unadmitted(admitting(admitted))
    everything = read(texts, row).unadmitted(None)
    records, _ = written(texts)
    tokenizer = Tokenizer()
    assert len(bags) == len(everything) == len(row)
    for place, i in enumerate(row):
        batch = tokenizer.tokenize([tweet(i, texts[i])])
        words = batch.spell(batch.keys[batch.namespaces == Namespace.WORD])
        own = int(records["lengths"][i].sum())
        assert bags[place].tolist() == served_subwords(words, own, admitted.__contains__)
        assert everything[place].tolist() == served_subwords(words, own, lambda word: False)
        assert len(bags[place]) <= min(SUBWORDS, SERVED_KEYS - own)


def test_each_made_up_word_has_its_turn():
    bags = read(["blorpa the unfriendliness"]).unadmitted(admitting(["the"]))
    first, second = subword_keys("blorpa")[:4], subword_keys("unfriendliness")[:4]
    assert bags[0].tolist() == [key for pair in zip(first, second, strict=True) for key in pair]
    assert read(["the the"]).unadmitted(admitting(["the"]))[0].tolist() == []


def test_words_that_are_alike_are_served_alike():
    bags = read(["blorptastic", "blorptastical", "refrigerator"]).unadmitted(admitting([]))
    one, related, other = (set(bags[i].tolist()) for i in range(3))
    assert one & related
    assert not other & (one | related)


def test_a_long_tweet_is_served_with_fewer_and_its_later_words_with_none():
    text = " ".join([*WORDS[4:20], "unfriendliness", "refrigerator"])
    records, values = written([text])
    assert records["words"].tolist() == [WORDS_WITH_SUBWORDS]
    assert int(records["lengths"].sum()) == TWEET_KEYS
    words = TweetWords.of(layout.unpack_tweets(values), values, np.zeros(1, np.int64))
    assert words.room.tolist() == [SERVED_KEYS - TWEET_KEYS]
    assert len(words.unadmitted(None)[0]) == SERVED_KEYS - TWEET_KEYS
    assert len(words.unadmitted(admitting(WORDS))[0]) == 0, "the words past the bound have no n-grams"


def test_a_tweet_keeps_at_most_256_bytes_of_them():
    for text in ("", "to", " ".join(f"word{i}" for i in range(60))):
        records, (value,) = written([text])
        tail = len(value) - TWEET.itemsize - int(records["handle_bytes"][0]) - int(records["text_bytes"][0])
        assert tail == 4 * WORD_SUBWORDS * int(records["words"][0]) <= 256


def test_the_tail_is_shown_as_it_was_written():
    texts = ["blorptastic ünïcode 🦜", ""]
    records, values = written(texts)
    assert [layout.tweet_tail(record, value) for record, value in zip(records, values, strict=True)] == [
        ("ann", text) for text in texts
    ]


def test_a_value_that_ends_too_early_is_refused():
    records, values = written(["blorptastic"])
    with pytest.raises(BadRecord, match="ends before"):
        TweetWords.of(records, [values[0][: TWEET.itemsize + 3]], np.zeros(1, np.int64))


def test_nothing_is_read_as_nothing():
    assert len(read([]).unadmitted(None)) == 0
    assert len(read(["blorptastic"], []).unadmitted(admitting([]))) == 0

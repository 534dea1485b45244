"""The compiled tokenizer is the reference, key for key, over all of Unicode and on real tweets."""

import logging
from itertools import islice

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from xxhash import xxh3_64_intdigest

from contracts.records import Entities, Tweet
from sources import open_source
from tests.support.data_files import data_file
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.tokens import tokenizer, tokenizer_reference
from vocab.tokens.native import compiled
from vocab.tokens.native.bags import places_of
from vocab.tokens.native.tweets import scan
from vocab.tokens.native.xxh3 import xxh3_64
from vocab.tokens.tokenizer import Tokenizer

PIECES = [
    "http://",
    "https://",
    "HTTPS://",
    "www.",
    "foo",
    "Soooo",
    "Zoo",
    *("🇫🇷", "\ufe0f", "\u20e3", "1\ufe0f\u20e3", "12\u20e3", "‘", "ʼ", "＇", "〇", "🏽", "\u0301", "\u200d"),
    "t.co/",
    "https://t.co/ab",
    "abc",
    "com",
    ".com",
    ".jp",
    ".",
    "..",
    "-",
    "_",
    "/",
    "?",
    "#",
    "@",
    "$",
    "(",
    ")",
    "=",
    "&",
    ":",
    "80",
    "日本",
    "みんな",
    "カタカナ",
    ".みんな",
    "é",
    "!",
    "'",
    "’",
    "RT",
    "rt:",
    "xn--",
    "ab1",
    "＃",
    "＠",
    "1",
    "Жук",
    "co.uk",
    "·",
    "İ",
    "ﷺ",
    "½",
    "①",
    "ＦＵＬＬ",
    "👍🏽",
    "👩\u200d👩\u200d👧",
    "❤\ufe0f",
    "🇫🇷",
    "🇩",
    "ガ",
    "ส",
    "ดี",
    "हिन्दी",
    "ℹ",
    "Ⓜ",
    "®",
    "한국",
    "ß",
    "ǰ",
    "(a)",
    "((a)b)",
    ",",
    ";",
    "~",
    "+",
    " ",
    "\n",
    "\t",
    "\ufe0f",
    "\u20e3",
    "\u202a",
    "\u200d",
    "\u0301",
    "\u0345",
    "\u1100",
    "\u1161",
    "\uff9e",
    "\ud800",
    "x" * 40,
    "x" * 64,
    "あ" * 33,
    "a b c d e f ",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=14).map("".join)
NAMES = st.lists(st.sampled_from(PIECES) | st.text(max_size=9).map(lambda name: name[:9]), max_size=3)
URLS = st.lists(
    st.sampled_from(["http://foo.com/x", "https://www.bbc.co.uk/a", "http://t.co/x", "é.com", "", "e\u0301.com"]),
    max_size=3,
)
ENTITIES = st.none() | st.builds(Entities, hashtags=NAMES, mentions=NAMES, cashtags=NAMES, urls=URLS)
TWEETS = st.builds(
    Tweet,
    id=st.just(1),
    created_ms=st.just(1_400_000_000_000),
    author_id=st.integers(0, 2**63 - 1),
    author=st.just("a"),
    text=TEXTS,
    lang=st.sampled_from(["en", "pt-BR", "??", "\ud800"]),
    entities=ENTITIES,
)


def assert_same(made: Tokenizer, tweets: list[Tweet]) -> None:
    """Every key, in order, and how each is spelled."""
    batch = made.tokenize(tweets)
    for i, tweet in enumerate(tweets):
        here = slice(batch.offsets[i], batch.offsets[i + 1])
        tokens = tokenizer_reference.tokens(tweet)
        keys = [key_of(*token) for token in tokens]
        assert batch.keys[here].tolist() == keys, tweet
        assert batch.namespaces[here].tolist() == [int(namespace) for namespace, _ in tokens], tweet
        spelled = ["" if namespace is Namespace.BIGRAM else token for namespace, token in tokens]
        assert batch.spell(batch.keys[here]) == spelled, tweet


@settings(max_examples=300, deadline=None)
@given(st.lists(TWEETS, max_size=4))
def test_any_tweets_have_the_tokens_of_the_reference(tweets):
    assert_same(Tokenizer(), tweets)


@pytest.mark.soak
@settings(max_examples=50_000, deadline=None)
@given(st.lists(TWEETS, max_size=4))
def test_very_many_tweets_have_the_tokens_of_the_reference(tweets):
    assert_same(Tokenizer(), tweets)


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    ["ira_en_public.csv.zst", "trump_v1_raw_public.jsonl.zst", "french_media_2022.csv.gz", "api_shapes.tar.zst"],
)
def test_real_tweets_have_the_tokens_of_the_reference(name):
    real = (event for event in open_source(data_file(name)) if isinstance(event, Tweet))
    assert_same(Tokenizer(), list(islice(real, 400)))


@pytest.mark.data
def test_the_conformance_suite_has_the_tokens_of_the_reference():
    texts = [
        case["text"]
        for name, every in (("extract", 1), ("autolink", 1), ("tlds", 20))
        for cases in yaml.load(data_file(f"twitter-text/{name}.yml").read_text(), yaml.CSafeLoader)["tests"].values()
        for case in cases[::every]
    ]
    tweets = [Tweet(id=1, created_ms=1_400_000_000_000, author_id=7, author="a", text=text) for text in texts]
    assert_same(Tokenizer(), tweets)


def test_code_points_of_many_blocks_have_the_tokens_of_the_reference():
    """By itself, inside a word, repeated, and in a tag."""
    made = Tokenizer()
    for begin in (0, 0x1000, 0x2000, 0x3000, 0xA000, 0xF000, 0x1F000, 0xE0000):
        points = [chr(c) for c in range(begin, begin + 0x1000, 27)]
        texts = [f"{c} a{c}{c}{c}b #x{c} http://{c}.com/{c} @a{c}" for c in points]
        tweets = [Tweet(id=1, created_ms=1_400_000_000_000, author_id=7, author="a", text=text) for text in texts]
        assert_same(made, tweets)


def test_chunks_change_nothing(monkeypatch):
    words = ["word", "e\u0301", "#tag", "http://x.com", "東京"]
    tweets = [
        Tweet(id=1, created_ms=1_400_000_000_000, author_id=i % 3, author="a", text=f"{words[i % 5]} {i}", lang="en")
        for i in range(50)
    ]
    expected = Tokenizer().tokenize(tweets)
    monkeypatch.setattr(tokenizer, "MAX_CHUNK_CHARS", 20)
    made = Tokenizer()
    batch = made.tokenize(tweets)
    for column in ("offsets", "keys", "namespaces"):
        assert getattr(batch, column).tolist() == getattr(expected, column).tolist()
    assert_same(made, tweets)


def test_what_python_folds_is_bounded(monkeypatch):
    monkeypatch.setattr(tokenizer, "MAX_REMEMBERED", 3)
    made = Tokenizer()
    text = " ".join(f"e\u0301{c}" for c in "abcdefgh")
    tweets = [
        Tweet(id=1, created_ms=1_400_000_000_000, author_id=7, author="a", text=text, lang=lang)
        for lang in ("a", "aa", "aaa", "ab")
    ]
    assert_same(made, tweets)
    assert len(made._folded) <= 3


def test_xxh3_is_that_of_xxhash():
    @njit
    def hashed(buffer, begin, end):
        return xxh3_64(buffer, begin, end)

    buffer = np.random.default_rng(3).integers(0, 256, 5_000, np.uint8)
    for length in [*range(1_025), 1_088, 2_048, 2_049, 4_097]:
        assert int(hashed(buffer, 5, 5 + length)) == xxh3_64_intdigest(buffer[5 : 5 + length].tobytes()), length


def test_a_change_of_any_source_compiles_anew():
    for entry in (scan, places_of):
        assert not entry.signatures or all(f"default={compiled.SOURCES}" in str(found) for found in entry.signatures)
    assert places_of(np.array([5], np.uint64), np.array([4, 5], np.uint64)).tolist() == [-1, 0]
    assert f"default={compiled.SOURCES}" in str(places_of.signatures)


def test_without_a_place_to_keep_it_each_process_compiles_and_says_so(monkeypatch, caplog):
    def njit_without_a_place(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'twice': no locator available for file 'x'")
        return lambda function: function

    monkeypatch.setattr(compiled, "njit", njit_without_a_place)
    with caplog.at_level(logging.WARNING):
        assert compiled.entry_point(lambda x: 2 * x)(4) == 8
    assert "set NUMBA_CACHE_DIR" in caplog.text

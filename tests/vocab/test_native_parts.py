"""The tokenizer's short cuts, each held to the definition where it could part from it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit
from xxhash import xxh3_64_intdigest

from contracts.records import Tweet
from tests.vocab.test_native import assert_same
from vocab.namespaces import Namespace
from vocab.tokens import unicode_data as u
from vocab.tokens.folding import fold
from vocab.tokens.native.plain import APART
from vocab.tokens.native.tables import TABLES
from vocab.tokens.native.urls import find_urls
from vocab.tokens.native.xxh3 import xxh3_64_of_17
from vocab.tokens.patterns import tokens_of
from vocab.tokens.tokenizer import Tokenizer
from vocab.tokens.twitter_text import urls
from vocab.tokens.unicode_data import FLAGS
from vocab.tokens.words import segments

# One character and more of each class of Unicode's word boundaries, and of what folding tells apart.
BOUNDARIES = (
    "aaaAZéßЖ가日ガא٣09_'’\".,:;·-  \n\r\u0085\u00ad\u0301\u0345\u200d\u20e3\ufe0f\u1100\u1161ℹⓂ❤©🇫🇷🙂ﷺ½İ\ud800\u0e01"
)
WORDS = st.lists(st.sampled_from(BOUNDARIES) | st.sampled_from(["zz", "x" * 63, "3.14", "don't"]), max_size=12)

HOSTS = st.lists(
    st.sampled_from(["http://", "https://", "HTTP:/", "ttp://", "a", "b1", "日本", "é", "Www.", "t.co/a", " "])
    | st.sampled_from([".com", ".jp", "co.uk", ".みんな", ".xn--ab", "xn--é", "x" * 63, "x" * 64, "あ" * 130])
    | st.sampled_from(["_", "-", ".", "..", "/", "?", "#", "@", "$", ",", "!", "/(a)", "q=1", ":80"]),
    max_size=10,
)


@njit
def urls_of(tables, points, found):
    return find_urls(tables, points, 0, len(points), found)


@njit
def hash_of_17(first, low, high):
    return xxh3_64_of_17(first, low, high)


@settings(max_examples=500, deadline=None)
@given(WORDS.map("".join))
def test_words_between_any_boundaries_are_those_of_the_definition(text):
    tweet = Tweet(id=1, created_ms=1_400_000_000_000, author_id=7, author="a", text=text)
    assert_same(Tokenizer(), [tweet])


@pytest.mark.slow
@settings(max_examples=1_000, deadline=None)
@given(HOSTS.map("".join))
@example("a.com.b.com_c.com/x.com")
@example("http://a_.com https://b.com.")
@example("é.com-a.com")
def test_urls_are_looked_for_where_dots_stand_and_none_is_missed(text):
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    found = np.empty((256, 4), np.int64)
    count = urls_of(TABLES, points, found)
    expected = [[url.begin, url.end, url.name_begin, url.name_end] for url in urls(text)]
    assert found[:count].tolist() == expected


def test_as_many_urls_are_found_as_there_is_room_for():
    points = np.frombuffer(("a.com " * 10).encode("utf-32-le"), np.uint32)
    found = np.empty((3, 4), np.int64)
    assert urls_of(TABLES, points, found) == 3
    assert found[:, 0].tolist() == [0, 6, 12]


def test_plain_characters_fold_by_themselves_and_are_words():
    plain = np.flatnonzero(TABLES.plain > 0)
    assert len(plain) > 20_000
    for c in plain[::17].tolist():
        folded, value = fold(chr(c)), int(TABLES.plain[c])
        assert folded == chr(value >> 1)
        assert (value & 1 == 1) == (int(FLAGS[ord(folded)]) & u.LETTER != 0)
        assert tokens_of(chr(c)) == [(Namespace.WORD, folded)]
        assert segments(chr(c) + "a1" + chr(c)) == [chr(c) + "a1" + chr(c)]


def test_what_stands_apart_is_no_token_and_in_no_word():
    apart = np.flatnonzero(TABLES.plain == APART)
    assert {ord(c) for c in " .,!?'\"-#\n"} <= set(apart.tolist())
    for c in apart[::397].tolist():
        assert tokens_of(chr(c)) == []
        assert segments(chr(c) + "a")[0] == chr(c)


def test_a_bigrams_key_is_xxh3_of_its_bytes():
    edges = np.array([0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1], np.uint64)
    draw = np.random.default_rng(5).integers(0, 2**64, (500, 2), np.uint64)
    for low, high in np.concatenate([np.stack([edges, edges[::-1]], axis=1), draw]):
        expected = xxh3_64_intdigest(b"\x01" + low.tobytes() + high.tobytes())
        assert int(hash_of_17(1, low, high)) == expected

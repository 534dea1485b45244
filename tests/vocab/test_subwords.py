"""Character n-grams of words: the compiled function is the reference, and alike for words that are alike."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from vocab.namespaces import SUBWORD, Namespace
from vocab.tokens.subwords import SUBWORDS_PER_WORD, subwords
from vocab.tokens.subwords_reference import subword_keys

WORDS = st.lists(st.text(st.sampled_from("abé東🙂") | st.characters(codec="utf-8"), max_size=20), max_size=8)


def key(gram: str) -> int:
    return xxh3_64_intdigest(b"\x0a" + gram.encode()) >> 32 << 32


@settings(deadline=None)
@given(WORDS)
def test_the_subwords_of_words_are_those_of_the_reference(words):
    found = subwords(words)
    assert [found[i].tolist() for i in range(len(words))] == [subword_keys(word) for word in words]
    assert len(found) == len(words)
    assert found.ids.dtype == np.uint64


def test_a_short_word_has_all_of_its_ngrams():
    assert set(subword_keys("to")) == {key(gram) for gram in ("<to", "to>", "<to>")}
    assert set(subword_keys("東")) == {key("<東>")}
    assert subword_keys("") == []


def test_a_long_word_keeps_a_fixed_number_and_shares_them_with_its_like():
    one, other = set(subword_keys("unfriendliness")), set(subword_keys("unfriendlinesses"))
    assert len(one) == len(other) == SUBWORDS_PER_WORD
    assert len(one & other) >= SUBWORDS_PER_WORD // 2
    assert not one & set(subword_keys("refrigerator"))


def test_what_stays_says_nothing_of_the_bits_of_a_key():
    """Slots go by a key's bits, so a sample by those would crowd a part of the shared region."""
    letters = np.random.default_rng(5).integers(ord("a"), ord("z"), (3_000, 12))
    keys = np.unique(subwords(["".join(map(chr, word)) for word in letters.tolist()]).ids)
    for shift in (32, 46, 60):
        counts = np.bincount((keys >> np.uint64(shift) & np.uint64(15)).astype(np.int64), minlength=16)
        assert counts.max() < 1.2 * counts.min()


def test_the_number_is_no_namespace_of_tokens_and_golden():
    assert SUBWORD == 10
    assert SUBWORD not in set(Namespace)
    assert [f"{key:016x}" for key in subword_keys("driftline")[:2]] == ["119cc10100000000", "c45b489e00000000"]

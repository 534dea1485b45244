"""What a tweet's tokens are, and that they depend on the tweet alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_hexdigest

from contracts.records import Entities, Tweet
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.tokens import patterns, tokenizer
from vocab.tokens.tokenizer import MAX_KEYS, TokenBatch, Tokenizer

W, B, H, M, C, D, E = (Namespace(i) for i in range(7))


def tweet(text: str, author_id: int = 7, lang: str = "en", entities: Entities | None = None) -> Tweet:
    return Tweet(
        id=1, created_ms=1_400_000_000_000, author_id=author_id, author="a", text=text, lang=lang, entities=entities
    )


def named(*tokens: tuple[Namespace, str]) -> list[tuple[int, int]]:
    """(key, namespace) of the tweet's own two tokens and of these."""
    own = ((Namespace.AUTHOR, "7"), (Namespace.LANG, "en"))
    return [(key_of(namespace, token), int(namespace)) for namespace, token in own + tokens]


def tokens(batch: TokenBatch, i: int = 0) -> list[tuple[int, int]]:
    here = slice(batch.offsets[i], batch.offsets[i + 1])
    return list(zip(batch.keys[here].tolist(), batch.namespaces[here].tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Hello WORLD", [(W, "hello"), (W, "world"), (B, "hello world")]),
        ("a #Tag b", [(W, "a"), (H, "tag"), (W, "b")]),
        ("soooo goooood", [(W, "soo"), (W, "good"), (B, "soo good")]),
        ("100000", [(W, "100000")]),
        ("Don’t don't", [(W, "don't"), (B, "don't don't")]),
        ("no no no", [(W, "no"), (B, "no no")]),
        ("ＦＵＬＬ ＃ｔａｇ", [(W, "full"), (H, "tag")]),
        ("#1 #1a a#b #Ünï", [(W, "1"), (H, "1a"), (W, "a"), (W, "b"), (H, "ünï"), (B, "a b")]),
        ("@Jack a@b! RT@You", [(M, "jack"), (W, "a"), (W, "b"), (W, "rt"), (M, "you"), (B, "a b"), (B, "b rt")]),
        ("$TWTR $5 x$ABC", [(C, "twtr"), (W, "5"), (W, "x"), (W, "abc"), (B, "5 x"), (B, "x abc")]),
        ("see https://www.Example.com/a?b#c.", [(W, "see"), (D, "example.com")]),
        ("HTTP://t.co/aBc www.bbc.co.uk", [(D, "t.co"), (D, "bbc.co.uk")]),
        ("http https: httpbin", [(W, "http"), (W, "https"), (W, "httpbin"), (B, "http https"), (B, "https httpbin")]),
        ("ok👍🏽👩‍👩‍👧❤️ 🇫🇷🇩🇪", [(W, "ok"), (E, "👍🏽"), (E, "👩‍👩‍👧"), (E, "❤"), (E, "🇫🇷"), (E, "🇩🇪")]),
        ("Brand™ ½ 1\ufe0f\u20e3", [(W, "brand"), (E, "1\u20e3")]),
        ("foo.com/a?b t.co @me/list $A.B.", [(D, "foo.com"), (D, "t.co"), (M, "me"), (C, "a.b")]),
        ("foo.baz 3.14 U.S.A.", [(W, "foo.baz"), (W, "3.14"), (W, "u.s.a"), (B, "foo.baz 3.14"), (B, "3.14 u.s.a")]),
        ("東京タワー", [(W, "東"), (W, "京"), (W, "タワー"), (B, "東 京"), (B, "京 タワー")]),
        ("ดี हिन्दी שלום", [(W, "ดี"), (W, "हिन्दी"), (W, "שלום"), (B, "ดี हिन्दी"), (B, "हिन्दी שלום")]),
        ("cafe\u0301 CAFÉ", [(W, "café"), (B, "café café")]),
        ("ß ﬁn İ", [(W, "ss"), (W, "fin"), (W, "i\u0307"), (B, "ss fin"), (B, "fin i\u0307")]),
        ("ㅋㅋㅋㅋㅋ ааааа 11111", [(W, "ᄏᄏ"), (W, "аа"), (W, "11111"), (B, "ᄏᄏ аа"), (B, "аа 11111")]),
        ("x" * 65 + " y", [(W, "y")]),
        # A flag stays that flag, whatever marks, joiners and selectors were put behind it.
        *(("🇫🇷" + mark, [(E, "🇫🇷")]) for mark in ("\ufe0f", "\u200d", "\u0301", "\u20e3", "🏽")),
        # One sign with a keycap is an emoji; several, or letters after it, are the word that one reads.
        ("1\ufe0f\u20e3 st", [(E, "1⃣"), (W, "st")]),
        ("1\ufe0f\u20e3st", [(W, "1st")]),
        ("12\u20e3", [(W, "12")]),
        ("1\ufe0f\u20e32\ufe0f\u20e3", [(W, "12")]),
        ("#\ufe0f\u20e3", [(E, "#⃣")]),
        # Whatever apostrophe a keyboard has.
        ("don't don’t don‘t donʼt don＇t", [(W, "don't"), (B, "don't don't")]),
        ("ʼ", []),
        # A date in Chinese numerals: 〇 is a numeral like the others.
        ("二〇一七", [(W, "二"), (W, "〇"), (W, "一"), (W, "七"), (B, "二 〇"), (B, "〇 一"), (B, "一 七")]),
        # Hosts are found in any case and width.
        ("example.Ｃｏｍ A.ſo", [(D, "example.com"), (D, "a.so")]),
        # Squeezing makes these one; and what Unicode's boundaries take for a letter is one.
        ("VIII Ⅷ VII", [(W, "vii"), (B, "vii vii")]),
        ("˓", [(W, "˓")]),
        # A ligature that is a whole phrase is one word.
        ("ﷺ", [(W, "صلىاللهعليهوسلم")]),
    ],
)  # fmt: skip
def test_tokens_of_a_text(text, expected):
    assert tokens(Tokenizer().tokenize([tweet(text)])) == named(*expected)


def test_entities_count_where_the_text_bears_them_out():
    entities = Entities(
        hashtags=["tag", "absent", "not a tag"], cashtags=["abc"], urls=["https://www.example.org/x", "https://b.com"]
    )
    found = tokens(Tokenizer().tokenize([tweet("x#Tag $abc https://t.co/1 http://c.net/", entities=entities)]))
    expected = named((W, "x"), (W, "tag"), (C, "abc"), (D, "example.org"), (D, "c.net"), (H, "tag"), (B, "x tag"))
    assert found == expected


def test_a_language_that_is_none_is_undetermined():
    batch = Tokenizer().tokenize([tweet("", lang="pt-BR"), tweet("", lang="??"), tweet("", lang="\ud800")])
    spelled = ("pt-br", "und", "und")
    assert batch.keys[1::2].tolist() == [key_of(Namespace.LANG, lang) for lang in spelled]


def test_a_long_tweet_keeps_names_before_words_and_words_before_bigrams():
    words = [f"w{i}" for i in range(80)]
    text = " ".join(words) + " #tag @you"
    kept = tokens(Tokenizer().tokenize([tweet(text)]))
    assert kept == named(*((W, word) for word in words[: MAX_KEYS - 4]), (H, "tag"), (M, "you"))
    beyond = " ".join(["a"] * tokenizer.MAX_TEXT_TOKENS) + " #tag"
    assert tokens(Tokenizer().tokenize([tweet(beyond)])) == named((W, "a"), (B, "a a"))


TEXTS = st.text(
    st.sampled_from("aAbB1_'’#＃@＠$ .:/-hHtTpPsw\n\té🙂❤\ufe0f\u200d🇫🇷を½ﷺﬁßİ‘ʼ＇〇\u20e3\u0301🏽")
    | st.characters(codec="utf-8"),
    max_size=40,
)


@settings(deadline=None)
@given(TEXTS)
def test_canonical_forms_are_stable_and_never_empty(text):
    for namespace, token in patterns.tokens_of(text):
        assert not token or patterns.canonical_segment(namespace, token) == token
        assert namespace is not W or " " not in token


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("#Tag", (H, "tag")),
        ("@Jack", (M, "jack")),
        ("$TWTR", (C, "twtr")),
        ("Soooo", (W, "soo")),
        ("New York", (B, "new york")),
        ("東京", (B, "東 京")),
        ("www.bbc.co.uk", (D, "bbc.co.uk")),
        ("!?", None),
        ("three little words", None),
    ],
)
def test_what_a_person_means(written, meant):
    assert patterns.canonical_surface(written) == meant


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=8), st.integers(0, 8))
def test_a_tweets_tokens_do_not_depend_on_its_batch(texts, cut):
    tweets = [tweet(text, author_id=i % 3) for i, text in enumerate(texts)]
    shared = Tokenizer()
    whole = shared.tokenize(tweets)
    again = [shared.tokenize(tweets[:cut]), shared.tokenize(tweets[cut:])]
    alone = [tokens(Tokenizer().tokenize([each])) for each in tweets]
    assert [tokens(whole, i) for i in range(len(whole))] == alone
    assert [tokens(part, i) for part in again for i in range(len(part))] == alone
    assert all(len(set(found)) == len(found) <= MAX_KEYS for found in alone)


def test_a_batch_spells_its_keys_whatever_its_tokenizer_has_made_since():
    made = Tokenizer()
    batch = made.tokenize([tweet("Hello #Tag http://a.com")])
    later = made.tokenize([tweet("Other", lang="fr")])
    assert batch.spell(batch.keys) == ["7", "en", "hello", "tag", "a.com"]
    assert later.spell(later.keys) == ["7", "fr", "other"]
    assert batch.spell(np.array([1, key_of(B, "a b"), key_of(W, "other")], np.uint64)) == ["", "", ""]


def test_the_version_guards_what_tokenize_returns():
    """A change of this digest is a change of every feature made of text: raise TOKENIZER_VERSION with it."""
    texts = [
        "हिन्दी สวัสดี e\u0301 www.foo.com/x foo.みんな ½ ① ﷺ 🇫🇷 1\ufe0f\u20e3 #a·b ㅋㅋㅋ",
        "RT @user: Soooo #Happy 😀 don't https://t.co/x $ABC naïve 東京 Ｔｏｋｙｏ",
        "plain words again and again",
    ]
    batch = Tokenizer().tokenize([tweet(text) for text in texts])
    assert tokenizer.TOKENIZER_VERSION == 2
    assert xxh3_64_hexdigest(batch.keys.astype("<u8").tobytes()) == "30b601f82aa6a03c"

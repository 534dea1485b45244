"""A source's frames: integers that add up to the same, however its tweets are cut into batches."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import Codec, serialize
from contracts.columnar import VocabCounts
from contracts.records import Tweet
from contracts.settings import VocabSettings
from vocab.keys import SHARDS, key_of, shard_of
from vocab.languages import ALL, UND, language_code, language_tag
from vocab.namespaces import SPELLED, Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.source_counter import SourceCounter
from vocab.tokens.tokenizer import Tokenizer

PARTITIONS = 4


def tweet(text: str, author_id: int = 7, lang: str = "en") -> Tweet:
    return Tweet(id=1, created_ms=1_400_000_000_000, author_id=author_id, author="a", text=text, lang=lang)


def count(counter: SourceCounter, made: Tokenizer, texts: list[str], windows: list[int], closed: int):
    batch = made.tokenize([tweet(text) for text in texts])
    return counter.count(batch, np.array(windows, np.int64), closed)


def test_every_owner_partition_hears_of_every_window_with_its_own_keys():
    made = Tokenizer()
    frames = count(SourceCounter("tweets", 2, PARTITIONS, SHARDS), made, ["a b", "a #c", "d"], [5, 4, 5], 3)
    assert [(frame.window, partition) for partition, frame in frames] == [
        (window, partition) for window in (4, 5) for partition in range(PARTITIONS)
    ]
    total: dict[int, Counter[int]] = {4: Counter(), 5: Counter()}
    for partition, frame in frames:
        assert (frame.source_topic, frame.source_partition, frame.closed_through) == ("tweets", 2, 3)
        assert (shard_of(frame.keys, SHARDS) % PARTITIONS == partition).all()
        assert (frame.keys[1:] > frame.keys[:-1]).all()
        assert set(frame.languages.tolist()) <= {language_code("en")}
        assert Codec(VocabCounts).deserialize(serialize(frame)).tokens == frame.tokens
        total[frame.window].update(dict(zip(frame.keys.tolist(), frame.counts.tolist(), strict=True)))
    words = {word: key_of(Namespace.WORD, word) for word in "abd"}
    assert (total[5][words["a"]], total[5][words["b"]], total[5][words["d"]]) == (1, 1, 1)
    assert (total[4][words["a"]], total[5][key_of(Namespace.AUTHOR, "7")]) == (1, 2)


def test_a_key_is_spelled_once_a_window():
    made, counter = Tokenizer(), SourceCounter("tweets", 0, 1, SHARDS)
    ((_, first),) = count(counter, made, ["a b"], [5], 4)
    assert sorted(first.tokens) == ["7", "a", "b", "en"]
    spelled = dict(zip(first.token_keys.tolist(), first.tokens, strict=True))
    assert spelled[key_of(Namespace.WORD, "a")] == "a"
    assert key_of(Namespace.BIGRAM, "a b") in first.keys
    ((_, again),) = count(counter, made, ["a c"], [5], 4)
    assert again.tokens == ["c"]
    ((_, next_window),) = count(counter, made, ["a"], [6], 5)
    assert sorted(next_window.tokens) == ["7", "a", "en"]


SPOKEN = st.lists(st.tuples(st.text("abcd ", max_size=9), st.sampled_from(["en", "EN-gb", "pt-BR", "x", "", "haw"])))


@given(SPOKEN)
def test_a_row_counts_one_key_in_one_language(tweets):
    made = Tokenizer()
    spoken = [tweet(text, i, lang) for i, (text, lang) in enumerate(tweets)]
    expected: Counter[tuple[int, str]] = Counter()
    for each in spoken:
        keys = made.tokenize([each]).keys.tolist()
        primary = each.lang.lower().split("-")[0]
        expected.update((key, primary if len(primary) > 1 else "und") for key in keys)
    batch = made.tokenize(spoken)
    frames = SourceCounter("tweets", 0, 2, SHARDS).count(batch, np.full(len(spoken), 5), 4)
    rows = [
        ((key, language_tag(language)), count)
        for _, frame in frames
        for key, language, count in zip(
            frame.keys.tolist(), frame.languages.tolist(), frame.counts.tolist(), strict=True
        )
    ]
    assert sorted(rows) == sorted(expected.items())
    assert all(len(frame.token_keys) == len(set(frame.token_keys.tolist())) for _, frame in frames)


def test_a_language_is_a_number_and_back():
    assert [language_tag(language_code(tag)) for tag in ("en", "pt-br", "zz", "zzz", "und")] == [
        "en",
        "pt",
        "zz",
        "zzz",
        "und",
    ]
    assert {language_code(tag) for tag in ("", "e", "engl", "e1", "日本")} == {UND}
    assert language_tag(ALL) == "all"
    assert language_code("zzz") < 1 << 15  # the bits of a key that are mixed with it


def test_counts_of_a_window_that_the_batch_closes_come_before_its_marker():
    counter = SourceCounter("tweets", 0, 2, SHARDS)
    frames = count(counter, Tokenizer(), ["a", "b"], [5, 9], 7)
    assert [(frame.window, frame.closed_through) for _, frame in frames] == [(5, 4), (5, 4), (9, 7), (9, 7)]
    markers = counter.markers(7)
    assert [partition for partition, _ in markers] == [0, 1]
    assert all(frame.window == frame.closed_through == 7 and not len(frame.keys) for _, frame in markers)
    with pytest.raises(ValueError, match="late events"):
        count(counter, Tokenizer(), ["a"], [7], 7)


TWEETS = st.lists(
    st.tuples(st.lists(st.sampled_from("abcdefg"), max_size=5).map(" ".join), st.integers(0, 2)),
    min_size=1,
    max_size=20,
)
SETTINGS = VocabSettings.uniform(capacity=SHARDS, rare_slots=4, admit_at=2.0, half_life_windows=1.0)


@pytest.mark.slow
@given(TWEETS, st.lists(st.integers(1, 6), max_size=10), st.sampled_from([1, 4]))
@settings(max_examples=15, deadline=None)
def test_decisions_do_not_depend_on_batches_or_on_the_number_of_owners(tweets, sizes, partitions):
    texts, steps = [text for text, _ in tweets], np.cumsum([step for _, step in tweets]) + 50
    assert decisions(texts, steps, sizes, partitions) == decisions(texts, steps, [len(texts)], 1)


def decisions(texts: list[str], windows: np.ndarray, sizes: list[int], partitions: int) -> dict[int, list[bytes]]:
    """Each shard's deltas, with a window closed when the next begins."""
    made, counter = Tokenizer(), SourceCounter("tweets", 0, partitions, SHARDS)
    sources = frozenset({("tweets", 0)})
    owners = [VocabularyOwner.begin(SETTINGS, range(p, SHARDS, partitions), sources) for p in range(partitions)]
    deltas, begin = [], 0
    for size in [*sizes, len(texts)]:
        here = slice(begin, begin + size)
        if len(texts[here]):
            closed = int(windows[here][-1]) - 1
            for partition, frame in count(counter, made, texts[here], windows[here].tolist(), closed):
                owners[partition].observe(frame)
            for partition, frame in counter.markers(closed):
                owners[partition].observe(frame)
            deltas += [delta for owner in owners for delta in owner.close_windows()]
        begin += size
    for partition, frame in counter.markers(int(windows[-1]) + 40):
        owners[partition].observe(frame)
    deltas += [delta for owner in owners for delta in owner.close_windows()]
    return {shard: [serialize(delta) for delta in deltas if delta.shard == shard] for shard in range(SHARDS)}


def test_admitted_tokens_are_spelled_for_people():
    made, counter = Tokenizer(), SourceCounter("tweets", 0, 1, SHARDS)
    owner = VocabularyOwner.begin(
        VocabSettings.uniform(capacity=64 * SHARDS, rare_slots=4, admit_at=2.0, half_life_windows=1.0),
        range(SHARDS),
        frozenset({("tweets", 0)}),
    )
    for _, frame in count(counter, made, ["Big #News"] * 3, [5] * 3, 4) + counter.markers(5):
        owner.observe(frame)
    spelled = {
        (namespace, token)
        for delta in owner.close_windows()
        for namespace, token in zip(delta.admitted_namespaces.tolist(), delta.admitted_tokens, strict=True)
    }
    assert spelled == {
        (Namespace.WORD, "big"),
        (Namespace.HASHTAG, "news"),
        (Namespace.AUTHOR, "7"),
        (Namespace.LANG, "en"),
    }
    assert {namespace for namespace, _ in spelled} <= set(SPELLED)

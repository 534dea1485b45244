"""The queryable view: what the owner holds, packed, and lists of several owners merged."""

from collections.abc import Sequence
from typing import get_args

import msgspec
import numpy as np
import pytest

from contracts.columnar import VocabCounts
from tests.support.view_samples import DRIFT, SETTINGS, an_owner, frame
from tests.support.vocab_frames import SOURCE, counts_frame
from transport.ports.redis import VERSION_BYTES
from vocab.keys import SHARDS, key_of, shard_of
from vocab.languages import ALL, UND, language_code
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.trends.spans import HORIZONS, LEAST_SCORE
from vocab.trends.velocity import movements
from vocab.view.buckets import BUCKETS, bucket_codec
from vocab.view.lists import Kind, NoSuchList, best, lists_codec, merged
from vocab.view.make_lists import LANGUAGE_LIST_LENGTH, LANGUAGES, LIST_LENGTH
from vocab.view.updates import view_updates


def test_every_admitted_key_is_in_its_bucket_and_nothing_else_is():
    owner = an_owner(DRIFT)
    updates = view_updates(owner.state)
    assert len(updates.keys) == BUCKETS + 1
    assert {value[:VERSION_BYTES] for value in updates.values} == {owner.state.version.to_bytes(8, "big")}
    shown = {}
    for key, value in zip(updates.keys[:-1], updates.values[:-1], strict=True):
        bucket = bucket_codec.deserialize(value[VERSION_BYTES:])
        assert all(key.endswith(b":%d" % (k >> 54)) for k in bucket.keys.tolist())
        shown.update(zip(bucket.tokens, bucket.slots.tolist(), strict=True))
    assert set(shown) == {"steady", "old", "new"}
    assert sorted(shown.values()) == sorted(owner.state.tracked.slots[owner.state.tracked.slots >= 0].tolist())
    assert view_updates(VocabularyOwner.begin(SETTINGS, range(SHARDS), frozenset({SOURCE})).state).keys == []


def test_lists_are_bounded():
    tags = {f"tag{i}": 5 + i % 7 for i in range(500)}
    owner = an_owner([tags, tags])
    lists = lists_codec.deserialize(view_updates(owner.state).values[-1][VERSION_BYTES:])
    lengths = {ALL: LIST_LENGTH, UND: LANGUAGE_LIST_LENGTH}
    assert len(lists.list_lengths) == 2 * len(HORIZONS)  # nothing rises or falls yet
    for language, length in zip(lists.list_languages.tolist(), lists.list_lengths.tolist(), strict=True):
        assert length == min(lengths[language], len(owner.state.trends.totals()[0]))
    assert (len(lists.languages), lists.all_languages) == (1, True)


SPOKEN = [f"{a}{b}" for a in "abc" for b in "xyz"]  # nine languages


def spoken(window: int, shards: Sequence[int]) -> VocabCounts:
    """A window with 60 hashtags in nine languages, of which the last is the rarest, as a source sends it."""
    random = np.random.default_rng(window)
    tags = [f"tag{i}" for i in range(60)]
    keys = np.repeat(np.array([key_of(Namespace.HASHTAG, tag) for tag in tags], np.uint64), len(SPOKEN))
    counts = random.poisson(np.tile([9, 8, 7, 6, 5, 4, 3, 2, 1], len(tags))).astype(np.uint32)
    mine = np.isin(shard_of(keys, SHARDS), np.array(shards)) & (counts > 0)
    languages = np.tile([language_code(tag) for tag in SPOKEN], len(tags))
    frame = counts_frame(window, window - 1, keys[mine], counts[mine], Namespace.HASHTAG, languages=languages[mine])
    spelled = sorted((key_of(Namespace.HASHTAG, tag), tag) for tag in tags if tag_in(tag, shards))
    return msgspec.structs.replace(frame, token_keys=np.unique(frame.keys), tokens=[tag for _, tag in spelled])


def tag_in(tag: str, shards: Sequence[int]) -> bool:
    return key_of(Namespace.HASHTAG, tag) >> 58 in shards


def spoken_owner(shards: Sequence[int]) -> VocabularyOwner:
    owner = VocabularyOwner.begin(SETTINGS, shards, frozenset({SOURCE}))
    for window in range(101, 107):
        owner.observe(spoken(window, shards))
    owner.observe(frame(106, {}, 106))
    owner.close_windows()
    return owner


def test_lists_of_four_owners_merge_to_those_of_one_and_say_which_languages_they_keep():
    one, owners = spoken_owner(range(SHARDS)), [spoken_owner(range(p, SHARDS, 4)) for p in range(4)]
    values = [view_updates(owner.state).values[-1] for owner in owners]
    keys, languages, counts = one.state.trends.keys, one.state.trends.languages, one.state.trends.counts
    for language, code in [("all", ALL), *((tag, language_code(tag)) for tag in SPOKEN[: LANGUAGES - 1])]:
        for horizon, over in enumerate(HORIZONS):
            here = languages == code
            figures = movements(counts[:, here], horizon, one.state.window_ms, one.state.age)
            scores = figures[1].astype(np.float32)
            expected = {
                "top": (counts[horizon, here] * 2.0**-32).astype(np.float32),
                "rising": np.where(scores > LEAST_SCORE, scores, 0),
                "falling": np.where(scores < -LEAST_SCORE, -scores, 0),
            }
            for kind in get_args(Kind):
                order = best(expected[kind], keys[here], 10)
                order = order[expected[kind][order] > 0]
                found = merged(values, kind, Namespace.HASHTAG, language, over, 10)
                assert [token.key for token in found] == keys[here][order].tolist()
                assert [token.velocity for token in found] == figures[0][order].astype(np.float32).tolist()
    with pytest.raises(NoSuchList, match=f"no lists of language '{SPOKEN[-1]}'.*{SPOKEN[0]}"):
        merged(values, "top", None, SPOKEN[-1], "1h", 10)
    with pytest.raises(NoSuchList, match="no horizon"):
        merged(values, "top", None, "all", "2h", 10)

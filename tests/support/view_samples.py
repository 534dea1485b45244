"""Owners of a vocabulary of a few hashtags, for tests of the view."""

from contracts.columnar import VocabCounts
from contracts.settings import VocabSettings
from tests.support.vocab_frames import SOURCE, counts_frame
from vocab.keys import SHARDS, key_of
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner

SETTINGS = VocabSettings.uniform(
    capacity=4 * SHARDS, rare_slots=8, admit_at=2.0, evict_below=0.5, half_life_windows=48.0
)


def frame(window: int, tags: dict[str, int], closed: int) -> VocabCounts:
    """A source's counts of hashtags in a window. closed: the newest window that the source has closed."""
    keys = [key_of(Namespace.HASHTAG, tag) for tag in tags]
    return counts_frame(window, closed, keys, list(tags.values()), Namespace.HASHTAG, tokens=list(tags))


def an_owner(windows: list[dict[str, int]], shards: range = range(SHARDS)) -> VocabularyOwner:
    """The owner of `shards` after windows 101, 102, ... with these hashtags."""
    owner = VocabularyOwner.begin(SETTINGS, shards, frozenset({SOURCE}))
    for window, tags in enumerate(windows, 101):
        mine = {tag: count for tag, count in tags.items() if key_of(Namespace.HASHTAG, tag) >> 58 in shards}
        owner.observe(frame(window, mine, window - 1))
        owner.observe(frame(window, {}, window))
    owner.close_windows()
    return owner


DRIFT = [{"steady": 10, "old": 30}] * 20 + [{"steady": 10, "new": 8}] * 8

"""The field `subwords` of one candidate in plain Python: the definition of `featurestore.store.subwords`."""

from collections.abc import Callable, Sequence

from featurestore.features import SERVED_KEYS, SUBWORDS
from featurestore.store.redis_layout import WORD_SUBWORDS, WORDS_WITH_SUBWORDS
from vocab.tokens.subwords_reference import subword_keys


def served_subwords(words: Sequence[str], tweet_keys: int, is_admitted: Callable[[str], bool]) -> list[int]:
    """The n-gram keys that a tweet is served with. words: those in its record. tweet_keys: how many keys it has."""
    made_up = [word for word in words[:WORDS_WITH_SUBWORDS] if not is_admitted(word)]
    grams = [subword_keys(word)[:WORD_SUBWORDS] for word in made_up]
    by_rank = [keys[rank] for rank in range(WORD_SUBWORDS) for keys in grams if rank < len(keys)]
    return by_rank[: min(SUBWORDS, SERVED_KEYS - tweet_keys)]

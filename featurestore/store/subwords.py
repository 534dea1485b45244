"""Character n-grams of a tweet's words, from the record in Redis to the field `subwords`.

A tweet is written once, for any later vocabulary, so its record keeps a few n-grams of each word. When the tweet is
ranked, the words that the model's own vocabulary has not admitted are served by their n-grams. These n-grams are
features like any other, and are logged and learned as served.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from contracts.arrays import I64, U32, U64, Records
from contracts.bags import Bags, Keys
from featurestore.features import SERVED_KEYS, SUBWORDS
from featurestore.store.grouping import place_in_group
from featurestore.store.redis_layout import WORD_SUBWORDS, WORDS_WITH_SUBWORDS, tweet_subwords
from vocab.tokens.subwords import subwords

if TYPE_CHECKING:
    from vocab.replica.vocabulary import FrozenVocabulary
    from vocab.tokens.tokenizer import TokenBatch


_UPPER = np.uint64(32)  # a key is 32 bits that say something, then 32 of 0


@dataclass(frozen=True, slots=True)
class TweetWords:
    """The words of u tweets that may be served by their n-grams, and the tweet of each of n candidates.

    offsets: int64[u+1]. keys: uint64[w], the words' own keys. subwords: uint32[w, WORD_SUBWORDS], the upper halves of
    the keys of each word's n-grams, 0 = none. room: int64[u], how many n-grams a candidate with this tweet may carry.
    row: int64[n], each candidate's tweet.
    """

    offsets: I64
    keys: U64
    subwords: U32
    room: I64
    row: I64

    @staticmethod
    def of(tweets: Records, values: Sequence[bytes], row: I64) -> "TweetWords":
        """From TWEET records [u] and the whole values in Redis. Raises `BadRecord` for a truncated value."""
        has_word = np.arange(WORDS_WITH_SUBWORDS) < tweets["words"][:, None]
        kept = tweets["lengths"].sum(axis=1, dtype=np.int64)
        return TweetWords(
            offsets=np.concatenate([[0], np.cumsum(tweets["words"], dtype=np.int64)]),
            keys=_word_keys(tweets)[has_word],
            subwords=tweet_subwords(tweets, values),
            room=np.minimum(SERVED_KEYS - kept, SUBWORDS),
            row=row,
        )

    def unadmitted(self, vocabulary: "FrozenVocabulary | None") -> Keys:
        """n bags: the n-grams of the words without a slot in `vocabulary`; of all words if it is None.

        First the first n-gram of each such word, in order of words, then the second of each, and so on, while there
        is room. An n-gram that two words share occurs twice.
        """
        words = np.arange(len(self.keys))
        if vocabulary is not None:
            words = np.flatnonzero(~vocabulary.is_admitted(self.keys))
        tweets = len(self.room)
        tweet_of = np.repeat(np.arange(tweets), np.diff(self.offsets))[words]
        place, rank = np.nonzero(self.subwords[words])
        # Sorting one packed key is several times faster than sorting columns.
        packed = np.sort(((tweet_of[place] * WORD_SUBWORDS + rank) << 32) | place)
        tweet, rank = np.divmod(packed >> 32, WORD_SUBWORDS)
        served = place_in_group(tweet) < self.room[tweet]
        found = self.subwords[words[packed & 0xFFFFFFFF], rank][served]
        bags = Bags.from_lengths(np.bincount(tweet[served], minlength=tweets), found.astype(np.uint64) << _UPPER)
        return bags.take(self.row)


def subwords_of(tweets: Records, batch: "TokenBatch") -> U32:
    """uint32[w, WORD_SUBWORDS]: the n-grams of the words of all `tweets` (TWEET records [n]), as a TWEET value keeps
    them. batch: the tweets' tokens.
    """
    has_word = np.arange(WORDS_WITH_SUBWORDS) < tweets["words"][:, None]
    keys, which = np.unique(_word_keys(tweets)[has_word], return_inverse=True)
    bags = subwords(batch.spell(keys))
    found = np.zeros((len(keys), WORD_SUBWORDS), np.uint32)
    column = np.arange(WORD_SUBWORDS)
    kept = column < bags.lengths[:, None]
    found[kept] = bags.ids[(bags.offsets[:-1, None] + column)[kept]] >> _UPPER
    return found[which]


def _word_keys(tweets: Records) -> U64:
    """uint64[n, WORDS_WITH_SUBWORDS]: the words' keys. They follow the language, which every tweet has."""
    return np.asarray(tweets["keys"][:, 1 : 1 + WORDS_WITH_SUBWORDS], np.uint64)

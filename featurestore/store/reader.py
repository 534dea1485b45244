"""Reads features for many requests at once, in two round trips for any number of candidates.

The first round trip reads what the requests name: viewers' counters and histories, tweets and their counters. The
second reads what those lead to: authors, (viewer, author) pairs, and the tweets of the histories. A candidate without
a record is reported as missing and never served with unknown features. An entity without counters has all counts 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from contracts.arrays import I64, U64
from contracts.columnar import AUTHOR, PAIR, VIEWER
from contracts.columnar import TWEET as TWEET_KIND
from contracts.columns import FeatureColumns
from contracts.records import Provenance, TimelineRequest
from contracts.settings import Settings
from featurestore.store.feature_columns import StoreRows, columns_of
from featurestore.store.redis_layout import (
    COUNTERS_RECORD,
    HISTORY_RECORD,
    Keys,
    pair_of,
    tweet_tail,
    unpack_records,
    unpack_tweets,
)
from featurestore.store.subwords import TweetWords
from transport.ports.redis import Redis

if TYPE_CHECKING:
    from vocab.replica.vocabulary import FrozenVocabulary


@dataclass(frozen=True, slots=True)
class FeaturesRead:
    """Features of the candidates of m requests that the store knows, request after request, in the order named.

    features: without the field `subwords`, which depends on a vocabulary; `at` adds it. words: its input.
    offsets: int64[m+1], request i has rows `offsets[i]:offsets[i+1]`. tweet_ids, author_ids: uint64[n].
    created_ms: int64[n]. missing: per request, the uint64 ids without a record in the store. whole: whether the store
    held all that it should; else tweets may be missing that exist, and counts may be too low.
    """

    features: FeatureColumns
    words: TweetWords
    offsets: I64
    tweet_ids: U64
    author_ids: U64
    created_ms: I64
    missing: Sequence[U64]
    whole: bool = True

    def at(self, vocabulary: "FrozenVocabulary | None") -> FeatureColumns:
        """All features, as served to a model with this vocabulary. None: a vocabulary that has admitted nothing."""
        keys = {**self.features.candidate_keys, "subwords": self.words.unadmitted(vocabulary)}
        return replace(self.features, candidate_keys=keys)


@dataclass(frozen=True, slots=True)
class StoredTweet:
    """A tweet to show. Its text may be cut at `redis_layout.SHOWN_CHARS`."""

    id: int
    created_ms: int
    author_id: int
    author: str
    text: str
    provenance: Provenance


class FeatureReader:
    """Reads the store; holds no state.

    Raises `ServerUnavailable` when Redis fails and `BadRecord` for a value of another layout.
    """

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings
        self._keys = Keys(settings)
        self._wholes = self._keys.wholes()

    async def read(self, requests: Sequence[TimelineRequest], candidate_ids: Sequence[U64]) -> FeaturesRead:
        """Features of every candidate (uint64 ids) of each request, as of the request's own time."""
        viewer_ids = np.array([request.viewer_id for request in requests], np.uint64)
        at_ms = np.array([request.at_ms for request in requests], np.int64)
        named = np.concatenate([np.asarray(ids, np.uint64) for ids in candidate_ids] or [np.empty(0, np.uint64)])
        named_row = np.repeat(np.arange(len(requests)), [len(ids) for ids in candidate_ids])
        unique, of_unique = np.unique(named, return_inverse=True)

        keys = self._keys
        viewer_weights, history_values, tweet_values, count_values, marks = await self._get(
            keys.counters(VIEWER, viewer_ids),
            keys.histories(viewer_ids),
            keys.tweets(unique),
            keys.counters(TWEET_KIND, unique),
            self._wholes,
        )
        known = np.array([value is not None for value in tweet_values], bool)
        known_values = [value for value in tweet_values if value is not None]
        tweets = unpack_tweets(known_values)
        row_of_unique = np.cumsum(known) - 1  # where a known tweet stands in `tweets`
        kept = known[of_unique]
        tweet_row, viewer_row = row_of_unique[of_unique[kept]], named_row[kept]
        histories = unpack_records(HISTORY_RECORD, history_values)

        authors, author_row = np.unique(tweets["author_id"], return_inverse=True)
        pairs, pair_row = np.unique(
            pair_of(viewer_ids[viewer_row], tweets["author_id"][tweet_row]), return_inverse=True
        )
        past_ids = np.unique(histories["tweets"][histories["at_ms"] > 0])
        author_values, pair_values, past_values = await self._get(
            keys.counters(AUTHOR, authors), keys.counters(PAIR, pairs), keys.tweets(past_ids)
        )
        rows = StoreRows(
            at_ms=at_ms,
            viewer_ids=viewer_ids,
            viewers=unpack_records(COUNTERS_RECORD, viewer_weights),
            histories=histories,
            past_tweets=unpack_tweets([value for value in past_values if value is not None]),
            viewer_row=viewer_row,
            tweets=tweets[tweet_row],
            tweet_counts=unpack_records(COUNTERS_RECORD, count_values)[known][tweet_row],
            author_counts=unpack_records(COUNTERS_RECORD, author_values)[author_row[tweet_row]],
            pair_counts=unpack_records(COUNTERS_RECORD, pair_values)[pair_row],
        )
        absent = ~kept
        return FeaturesRead(
            features=columns_of(rows, self._settings.features.pane_ms),
            words=TweetWords.of(tweets, known_values, tweet_row),
            offsets=np.searchsorted(viewer_row, np.arange(len(requests) + 1)).astype(np.int64),
            tweet_ids=rows.tweets["id"].astype(np.uint64),
            author_ids=rows.tweets["author_id"].astype(np.uint64),
            created_ms=rows.tweets["created_ms"].astype(np.int64),
            missing=[named[absent & (named_row == row)] for row in range(len(requests))],
            whole=None not in marks,
        )

    async def recent_tweets(self, limit: int) -> tuple[U64, I64]:
        """(ids, created_ms) of the newest tweets that the store lists, newest first, at most `limit`."""
        listed = await self._redis.newest([self._keys.recent(owner) for owner in range(self._keys.owners)], limit)
        ids = np.frombuffer(b"".join(member for member, _ in listed), ">u8").astype(np.uint64)
        created = np.array([score for _, score in listed], np.int64)
        newest = np.lexsort((ids, created))[::-1][:limit]
        return ids[newest], created[newest]

    async def read_tweets(self, ids: Sequence[int]) -> dict[int, StoredTweet]:
        """Tweets to show, by id; ids that the store does not know are left out."""
        (values,) = await self._get(self._keys.tweets(np.array(ids, np.uint64)))
        known = [value for value in values if value is not None]
        return {
            int(record["id"]): _shown(record, value)
            for record, value in zip(unpack_tweets(known), known, strict=True)
        }

    async def _get(self, *groups: list[bytes]) -> list[list[bytes | None]]:
        """The values of each group of keys, in one round trip."""
        keys = [key for group in groups for key in group]
        values = await self._redis.mget(keys)
        ends = np.cumsum([len(group) for group in groups]).tolist()
        return [values[end - len(group) : end] for group, end in zip(groups, ends, strict=True)]


def _shown(record: np.void, value: bytes) -> StoredTweet:
    author, text = tweet_tail(record, value)
    return StoredTweet(
        id=int(record["id"]),
        created_ms=int(record["created_ms"]),
        author_id=int(record["author_id"]),
        author=author,
        text=text,
        provenance=tuple(Provenance)[record["provenance"]],
    )

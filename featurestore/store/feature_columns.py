"""From the store's records to columns of features. Pure, and vectorized over all candidates of all requests."""

from dataclasses import dataclass

import numpy as np

from contracts.arrays import F32, F64, I64, U64, Bools, Records
from contracts.bags import Bags, Keys
from contracts.columns import FeatureColumns
from featurestore.features import (
    CANDIDATE_DENSE,
    HISTORY,
    HISTORY_FADES_MS,
    TAG_KEYS,
    TWEET_FIELDS,
    TWEET_KEYS,
    VIEWER_DENSE,
)
from featurestore.store.programs import Compiled, Inputs
from vocab.keys import keys_of_ids
from vocab.namespaces import Namespace

_DAY_MS = 86_400_000
_VIEWER_PROGRAMS, _CANDIDATE_PROGRAMS = Compiled(VIEWER_DENSE), Compiled(CANDIDATE_DENSE)
_TAGS, _AUTHOR = TWEET_FIELDS.index("tags"), TWEET_FIELDS.index("author")


@dataclass(frozen=True, slots=True)
class StoreRows:
    """The store's records of m viewers and n candidates; zeros where nothing was counted.

    at_ms: int64[m], of the requests. viewer_ids: uint64[m]. viewers: COUNTERS [m]. histories: HISTORY [m].
    past_tweets: TWEET records of the histories' tweets, ascending by id, without expired ones.
    viewer_row: int64[n]. tweets: TWEET [n]. tweet_counts, author_counts, pair_counts: COUNTERS [n].
    """

    at_ms: I64
    viewer_ids: U64
    viewers: Records
    histories: Records
    past_tweets: Records
    viewer_row: I64
    tweets: Records
    tweet_counts: Records
    author_counts: Records
    pair_counts: Records


def columns_of(rows: StoreRows, pane_ms: int) -> FeatureColumns:
    """The features that `featurestore/features.py` declares, without `subwords`, which depend on a vocabulary."""
    past, past_known = history_rows(rows)
    viewer_keys = Bags.of_matrix(keys_of_ids(Namespace.VIEWER, rows.viewer_ids)[:, None])
    return FeatureColumns(
        viewer_row=rows.viewer_row.astype(np.int32),
        viewer_dense=_viewer_dense(rows),
        viewer_keys={"viewer": viewer_keys, "history": _history_keys(rows, past, past_known)},
        candidate_dense=_candidate_dense(rows, past, past_known, pane_ms),
        candidate_keys=_tweet_keys(rows.tweets),
        viewer_vectors={"clock": _clock(rows.at_ms)},
    )


def history_rows(rows: StoreRows) -> tuple[I64, Bools]:
    """(row in past_tweets, whether the tweet is there), [m, HISTORY] each, newest first."""
    ids = rows.past_tweets["id"]
    if len(ids) == 0:
        shape = (len(rows.viewer_ids), HISTORY)
        return np.zeros(shape, np.int64), np.zeros(shape, bool)
    row = np.minimum(np.searchsorted(ids, rows.histories["tweets"]), len(ids) - 1)
    return row, (ids[row] == rows.histories["tweets"]) & (rows.histories["at_ms"] > 0)


def _history_keys(rows: StoreRows, past: I64, known: Bools) -> Keys:
    """Authors and hashtags of the engaged tweets, newest tweet first; a tweet's author comes before its tags."""
    tweets = rows.past_tweets
    if not len(tweets):
        return Bags.from_lengths(
            np.zeros(len(rows.viewer_ids), np.int64), np.empty(0, np.uint64), np.empty(0, np.float32)
        )
    authors, tags, tag_kept = _author_keys(tweets), *_hashtags(tweets)
    keys = np.concatenate([authors[:, None], tags], axis=1)[past]  # [m, HISTORY, 1 + TAG_KEYS]
    has_author = tweets["lengths"][:, _AUTHOR] > 0
    kept = np.concatenate([has_author[:, None], tag_kept], axis=1)[past] & known[:, :, None]
    values = np.broadcast_to(_history_weights(rows)[:, :, None], kept.shape)
    return Bags.from_lengths(kept.sum(axis=(1, 2)), keys[kept], values[kept])


def _history_weights(rows: StoreRows) -> F32:
    """float32[m, HISTORY] in (0, 1]: the weight of each engagement, by its age at the request."""
    age_ms = np.maximum(rows.at_ms[:, None] - rows.histories["at_ms"], 0)
    return np.asarray(1 / (1 + age_ms / HISTORY_FADES_MS), np.float32)


def _clock(at_ms: I64) -> F32:
    """float32[m, 4]: sine and cosine of the time of day, then of the time of week."""
    turns = np.stack([at_ms % period / period for period in (_DAY_MS, 7 * _DAY_MS)], axis=1) * (2 * np.pi)
    return np.stack([np.sin(turns), np.cos(turns)], axis=2).reshape(-1, 4).astype(np.float32)


def _author_keys(tweets: Records) -> U64:
    """uint64[n]: the author's key, which is the last of a tweet's keys."""
    last = np.maximum(tweets["lengths"].sum(axis=1, dtype=np.int64) - 1, 0)
    return np.asarray(tweets["keys"][np.arange(len(tweets)), last], np.uint64)


def _hashtags(tweets: Records) -> tuple[U64, Bools]:
    """(keys uint64[n, TAG_KEYS], which of them are hashtags)."""
    place = np.arange(TAG_KEYS)
    begin = tweets["lengths"][:, :_TAGS].sum(axis=1, dtype=np.int64)
    column = np.minimum(begin[:, None] + place, TWEET_KEYS - 1)
    return np.take_along_axis(tweets["keys"], column, axis=1), place < tweets["hashtags"][:, None]


def _tweet_keys(tweets: Records) -> dict[str, Keys]:
    lengths = tweets["lengths"].astype(np.int64)
    begins = np.cumsum(lengths, axis=1) - lengths
    place = np.arange(TWEET_KEYS)
    bags = {}
    for i, field in enumerate(TWEET_FIELDS):
        begin = begins[:, i, None]
        inside = (place >= begin) & (place < begin + lengths[:, i, None])
        bags[field] = Bags.from_lengths(lengths[:, i], tweets["keys"][inside].astype(np.uint64))
    return bags


def _viewer_dense(rows: StoreRows) -> F32:
    inputs = Inputs(tweets=rows.tweets, at_ms=rows.at_ms, counters={"viewer": rows.viewers})
    return _VIEWER_PROGRAMS.run(inputs, len(rows.at_ms))


def _candidate_dense(rows: StoreRows, past: I64, past_known: Bools, pane_ms: int) -> F32:
    return _CANDIDATE_PROGRAMS.run(candidate_inputs(rows, past, past_known, pane_ms), len(rows.tweets))


def candidate_inputs(rows: StoreRows, past: I64, past_known: Bools, pane_ms: int) -> Inputs:
    """What the programs of the candidates' features read. past, past_known: of `history_rows`."""
    return Inputs(
        tweets=rows.tweets,
        at_ms=rows.at_ms[rows.viewer_row],
        counters={"tweet": rows.tweet_counts, "author": rows.author_counts, "viewer_author": rows.pair_counts},
        pane_ms=pane_ms,
        in_history={
            "author": _author_matches(rows, past, past_known),
            "hashtags": _tag_matches(rows, past, past_known),
        },
    )


def _author_matches(rows: StoreRows, past: I64, known: Bools) -> F64:
    if not known.any():
        return np.zeros(len(rows.tweets))
    authors = rows.past_tweets["author_id"][past]
    same = (authors[rows.viewer_row] == rows.tweets["author_id"][:, None]) & known[rows.viewer_row]
    return np.asarray(same.sum(axis=1), np.float64)


def _tag_matches(rows: StoreRows, past: I64, known: Bools) -> F64:
    if not known.any():
        return np.zeros(len(rows.tweets))
    tags, is_tag = _hashtags(rows.past_tweets)
    liked = is_tag[past] & known[:, :, None]
    liked_viewer = np.nonzero(liked)[0]
    liked_tags, liked_number = np.unique(tags[past][liked], return_inverse=True)
    if len(liked_tags) == 0:
        return np.zeros(len(rows.tweets))
    own, is_own = _hashtags(rows.tweets)
    number = np.minimum(np.searchsorted(liked_tags, own), len(liked_tags) - 1)
    is_own &= liked_tags[number] == own
    # (viewer, tag) as one integer, so that one look-up serves all candidates of all requests.
    wanted = rows.viewer_row[:, None] * len(liked_tags) + number
    matches = np.isin(wanted, liked_viewer * len(liked_tags) + liked_number) & is_own
    return np.asarray(matches.sum(axis=1), np.float64)

"""Answers a query of named features: which keys to read, and what their values say.

`query` reads nothing itself. It yields the keys of a round trip and is sent their values, so a blocking and an async
client run the same code. There are two round trips at most: what the ids name, and what that leads to (the authors of
tweets, pairs with them, tweets of histories).
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from contracts.arrays import I64, U64, Bools, Records
from contracts.columnar import AUTHOR, PAIR, TWEET, VIEWER
from contracts.columns import MISSING
from contracts.records import END_OF_TIME_MS, MAX_ID
from featurestore.declarations import Count, Feature, Share
from featurestore.features import CONTINUOUS, NUMBER, spelled_like
from featurestore.store import redis_layout as layout
from featurestore.store.errors import QueryRefused
from featurestore.store.feature_columns import StoreRows, candidate_inputs, history_rows
from featurestore.store.feature_table import FeatureTable
from featurestore.store.programs import program

MOST_ROWS = 100_000
_PROGRAMS = {feature.name: program(feature) for feature in CONTINUOUS}
# Entity of a feature -> the ids that it needs; an author also comes from the tweet.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "request": (),
    "viewer": ("viewer",),
    "tweet": ("tweet",),
    "author": ("author",),
    "viewer_author": ("viewer", "author"),
    "viewer_tweet": ("viewer", "tweet"),
}

RoundTrips = Generator[list[bytes], Sequence[bytes | None], FeatureTable]


def query(
    names: Sequence[str],
    keys: layout.Keys,
    pane_ms: int,
    *,
    at_ms: int,
    tweet: ArrayLike | None = None,
    author: ArrayLike | None = None,
    viewer: ArrayLike | None = None,
) -> RoundTrips:
    """The features `names` of rows of ids: arrays of n, or one id for all rows. An author is by default the tweet's.

    Yields keys, is sent their values, returns the table. Raises `QueryRefused`, and `BadRecord` for a value of
    another layout.
    """
    features = [_declared(name) for name in names]
    ids = _ids({"tweet": tweet, "author": author, "viewer": viewer})
    if not 0 <= at_ms <= END_OF_TIME_MS:
        raise QueryRefused(f"at is {at_ms}: expected milliseconds since 1970")
    needs = {need for feature in features for need in _NEEDS[feature.entity]}
    for need in sorted(needs):
        if need not in ids and not (need == "author" and "tweet" in ids):
            wanting = [feature.name for feature in features if need in _NEEDS[feature.entity]]
            raise QueryRefused(f"{', '.join(wanting)} need {need}: give the ids as {need}=...")
    rows, known, whole = yield from _read(keys, ids, {feature.entity for feature in features}, at_ms)
    past, past_known = history_rows(rows)
    inputs = candidate_inputs(rows, past, past_known, pane_ms)
    inputs.counters = {**inputs.counters, "viewer": rows.viewers[rows.viewer_row]}
    columns = {}
    for feature in features:
        column = np.full(len(rows.tweets), MISSING, np.float32)
        there = known[_fact(feature)]
        column[there] = np.asarray(_PROGRAMS[feature.name](inputs), np.float32)[there]
        columns[feature.name] = column
    return FeatureTable(ids=ids, columns=columns, at_ms=at_ms, whole=whole)


def _declared(name: str) -> Feature:
    if name not in NUMBER:
        raise QueryRefused(f"no feature {name!r}: there is {spelled_like(name)}")
    return CONTINUOUS[NUMBER[name]]


def _ids(given: Mapping[str, ArrayLike | None]) -> dict[str, U64]:
    """Entity -> uint64[n] of those that are given, all as long as the longest."""
    arrays = {entity: _id_array(entity, ids) for entity, ids in given.items() if ids is not None}
    try:
        spread = np.broadcast_arrays(*arrays.values()) if arrays else [np.zeros(1, np.uint64)]
    except ValueError as error:
        shown = ", ".join(f"{entity} has {len(ids)}" for entity, ids in arrays.items())
        raise QueryRefused(f"ids of different lengths: {shown}; give as many of each, or one for all") from error
    if len(spread[0]) > MOST_ROWS:
        raise QueryRefused(f"{len(spread[0]):,} rows; ask for {MOST_ROWS:,} at most at a time")
    return dict(zip(arrays, spread, strict=False))


def _id_array(entity: str, ids: ArrayLike) -> U64:
    array = np.atleast_1d(np.asarray(ids))
    if array.size == 0:
        return np.zeros(0, np.uint64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.min() < 0 or array.max() > MAX_ID:
        raise QueryRefused(f"{entity} is {ids!r:.80}: expected ids from 0 to 2^63 - 1, in one dimension")
    return array.astype(np.uint64)


def _fact(feature: Feature) -> str:
    """What has to be known for a feature to have a value."""
    counted = isinstance(feature.source, Count | Share)
    return "counted tweet" if feature.entity == "tweet" and counted else feature.entity


def _read(
    keys: layout.Keys, ids: Mapping[str, U64], entities: set[str], at_ms: int
) -> Generator[list[bytes], Sequence[bytes | None], tuple[StoreRows, dict[str, Bools], bool]]:
    """(rows of the store, what is known of each row, whether the store is whole)."""
    n = len(next(iter(ids.values()))) if ids else 1
    nothing = np.zeros(0, np.uint64)
    with_pairs, with_history = "viewer_author" in entities, "viewer_tweet" in entities
    with_author = with_pairs or "author" in entities
    with_viewer = with_pairs or with_history or "viewer" in entities
    with_tweet = with_history or "tweet" in entities or (with_author and "author" not in ids)
    tweets, tweet_row = _unique(ids["tweet"] if with_tweet else np.zeros(n, np.uint64))
    viewers, viewer_row = _unique(ids["viewer"] if with_viewer else np.zeros(n, np.uint64))

    tweet_values, count_values, viewer_values, history_values, marks = yield from _trip(
        keys.tweets(tweets if with_tweet else nothing),
        keys.counters(TWEET, tweets if "tweet" in entities else nothing),
        keys.counters(VIEWER, viewers if with_viewer else nothing),
        keys.histories(viewers if with_history else nothing),
        keys.wholes(),
    )
    tweet_known, stored = _tweets(tweet_values, len(tweets))
    histories = _records(layout.HISTORY_RECORD, history_values, len(viewers))
    of_row = stored["author_id"][tweet_row].astype(np.uint64)
    author_ids = ids.get("author", of_row)
    author_known = np.ones(n, bool) if "author" in ids else tweet_known[tweet_row]
    authors, author_row = _unique(author_ids)
    pairs, pair_row = _unique(layout.pair_of(viewers[viewer_row], author_ids))
    past = np.unique(histories["tweets"][histories["at_ms"] > 0])
    author_values, pair_values, past_values = yield from _trip(
        keys.counters(AUTHOR, authors if with_author else nothing),
        keys.counters(PAIR, pairs if with_pairs else nothing),
        keys.tweets(past),
    )
    rows = StoreRows(
        at_ms=np.full(len(viewers), at_ms, np.int64),
        viewer_ids=viewers,
        viewers=_records(layout.COUNTERS_RECORD, viewer_values, len(viewers)),
        histories=histories,
        past_tweets=layout.unpack_tweets([value for value in past_values if value is not None]),
        viewer_row=viewer_row,
        tweets=stored[tweet_row],
        tweet_counts=_records(layout.COUNTERS_RECORD, count_values, len(tweets))[tweet_row],
        author_counts=_records(layout.COUNTERS_RECORD, author_values, len(authors))[author_row],
        pair_counts=_records(layout.COUNTERS_RECORD, pair_values, len(pairs))[pair_row],
    )
    tweet_there, viewer_there = tweet_known[tweet_row], _there(viewer_values, len(viewers))[viewer_row]
    return (
        rows,
        {
            "request": np.ones(n, bool),
            "tweet": tweet_there,
            # A tweet that nobody has seen yet has no counters: all its counts are 0.
            "counted tweet": tweet_there | _there(count_values, len(tweets))[tweet_row],
            "author": author_known & _there(author_values, len(authors))[author_row],
            "viewer": viewer_there,
            # A viewer who has seen others' tweets alone has no counters with this author.
            "viewer_author": author_known & (viewer_there | _there(pair_values, len(pairs))[pair_row]),
            "viewer_tweet": tweet_there & viewer_there,
        },
        None not in marks,
    )


def _trip(*groups: list[bytes]) -> Generator[list[bytes], Sequence[bytes | None], list[Sequence[bytes | None]]]:
    """One round trip for several groups of keys; none for no keys."""
    keys = [key for group in groups for key in group]
    values = (yield keys) if keys else []
    ends = np.cumsum([len(group) for group in groups]).tolist()
    return [values[end - len(group) : end] for group, end in zip(groups, ends, strict=True)]


def _unique(ids: U64) -> tuple[U64, I64]:
    unique, row = np.unique(ids, return_inverse=True)
    return unique, row.astype(np.int64)


def _there(values: Sequence[bytes | None], n: int) -> Bools:
    """bool[n]: which entities have a value; none, where none was asked for."""
    return np.array([value is not None for value in values], bool) if values else np.zeros(n, bool)


def _records(dtype: "np.dtype[Any]", values: Sequence[bytes | None], n: int) -> Records:
    return layout.unpack_records(dtype, values) if values else np.zeros(n, dtype)


def _tweets(values: Sequence[bytes | None], n: int) -> tuple[Bools, Records]:
    """(which there are, TWEET records [n], zeros where there is none)."""
    known, records = _there(values, n), np.zeros(n, layout.TWEET)
    records[known] = layout.unpack_tweets([value for value in values if value is not None])
    return known, records

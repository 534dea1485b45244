"""Streams from files of real tweets. Only numbers leave this module, no text.

Public counts are as of the day on which a file was made, so a tweet's own counts are its label and never a feature.
The counts of an earlier tweet of the same author, at least a day old, stand in for what was known by then.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.bins_study.stream import (
    DAY_MS,
    F32,
    F64,
    I64,
    Stream,
    above_trailing_quartile,
    at,
    newest_before,
    oldest_after,
    stream_of,
    tweets_within,
)
from contracts.records import Tweet
from featurestore.features import TWEET_COUNTED
from featurestore.store.tweet_records import tweet_dense, tweet_records
from sources import open_source
from vocab.tokens.tokenizer import Tokenizer

_BATCH = 5_000  # tweets in memory
_TEN = 10
_GAIN_DAYS = 3  # most days between two observations of an author's followers


@dataclass(frozen=True, slots=True)
class Table:
    """n tweets in order of time.

    created_ms, authors: int64[n]. retweets, likes, followers: float64[n], NaN = unknown. dense: float32[n,
    len(TWEET_COUNTED)].
    """

    created_ms: I64
    authors: I64
    retweets: F64
    likes: F64
    followers: F64
    dense: F32

    def text_columns(self) -> dict[str, F64]:
        """Features of the tweets themselves, and the hour, by feature name."""
        shown = ("tweet.text_length", "tweet.tag_count", "tweet.media", "tweet.is_reply", "tweet.is_quote")
        columns = {name: self.dense[:, TWEET_COUNTED.index(name)].astype(np.float64) for name in shown}
        return columns | {"request.hour_of_day": (self.created_ms // 3_600_000 % 24).astype(np.float64)}


def read(file: Path, begin_ms: int, end_ms: int, most: int | None) -> Table:
    """The first `most` tweets in [begin_ms, end_ms), by time; without retweets, whose counts are another author's."""
    tweets = (row for row in open_source(file) if isinstance(row, Tweet) and begin_ms <= row.created_ms < end_ms)
    parts = list(_parts(islice((tweet for tweet in tweets if tweet.retweet_of is None), most)))
    if not parts:
        parts = [_part([])]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Table(*(column[order] for column in columns))


def retweets_stream(name: str, table: Table) -> Stream:
    """Label: whether a tweet's retweets are above the third quartile of the past month."""
    of_author = newest_before(table.created_ms, table.authors, DAY_MS)
    former = newest_before(table.created_ms, table.authors, 1)
    columns = table.text_columns() | {
        "tweet.retweets": at(table.retweets, of_author),
        "tweet.likes": at(table.likes, of_author),
        "author.engaged_recent": _mean_of_ten(table, of_author),
        "author.posted_recent": tweets_within(table.created_ms, table.authors, DAY_MS).astype(np.float64),
        "tweet.age_s": (table.created_ms - at(table.created_ms, former)) / 1_000,
    }
    windows = table.created_ms // DAY_MS
    labels = above_trailing_quartile(windows, table.retweets, delay=1)
    return stream_of(name, table.created_ms, columns, labels, truth=None, delay=1)


def followers_stream(name: str, table: Table) -> Stream:
    """Label: whether an author's followers rise by more than the third quartile of the past month's rises.

    A rise is measured from a tweet to the author's first tweet that is one to three days later.
    """
    later = oldest_after(table.created_ms, table.authors, DAY_MS)
    before = newest_before(table.created_ms, table.authors, DAY_MS)
    columns = table.text_columns() | {
        "tweet.author_followers": table.followers,
        "author.engaged_recent": -_rise(table, before),
        "author.posted_recent": tweets_within(table.created_ms, table.authors, DAY_MS).astype(np.float64),
    }
    labels = above_trailing_quartile(table.created_ms // DAY_MS, _rise(table, later), delay=_GAIN_DAYS)
    return stream_of(name, table.created_ms, columns, labels, truth=None, delay=_GAIN_DAYS)


def _rise(table: Table, other: I64) -> F64:
    """Followers at the other row minus those at this one; NaN if there is none, or it is too far away."""
    near = np.abs(table.created_ms[other] - table.created_ms) <= _GAIN_DAYS * DAY_MS
    return np.where(near, at(table.followers, other) - table.followers, np.nan)


def _mean_of_ten(table: Table, newest: I64) -> F64:
    """Mean of likes and retweets over an author's last ten tweets up to row `newest`."""
    means = np.full(len(newest), np.nan)
    for author in np.unique(table.authors):
        rows = np.flatnonzero(table.authors == author)
        engaged = (table.likes + table.retweets)[rows]
        through = np.concatenate([[0.0], np.cumsum(engaged)])
        place = np.searchsorted(rows, newest[rows])
        some = newest[rows] >= 0
        end = place[some] + 1
        begin = np.maximum(end - _TEN, 0)
        means[rows[some]] = (through[end] - through[begin]) / (end - begin)
    return means


def _parts(tweets: Iterable[Tweet]) -> Iterator[tuple[I64, I64, F64, F64, F64, F32]]:
    source = iter(tweets)
    while batch := list(islice(source, _BATCH)):
        yield _part(batch)


def _part(tweets: list[Tweet]) -> tuple[I64, I64, F64, F64, F64, F32]:
    counts = [tweet.public_counts for tweet in tweets]
    return (
        np.array([tweet.created_ms for tweet in tweets], np.int64),
        np.array([tweet.author_id for tweet in tweets], np.int64),
        np.array([np.nan if of is None else of.retweets for of in counts], np.float64),
        np.array([np.nan if of is None else of.likes for of in counts], np.float64),
        np.array([np.nan if t.author_followers is None else t.author_followers for t in tweets], np.float64),
        tweet_dense(tweet_records(tweets, Tokenizer().tokenize(tweets))),
    )

"""Queries of named features over a store in memory: what is missing, what is refused, and the round trips."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.columnar import AUTHOR, COUNTERS, PAIR, TWEET, VIEWER
from featurestore.features import CONTINUOUS
from featurestore.store import redis_layout as layout
from featurestore.store.errors import QueryRefused
from featurestore.store.feature_table import FeatureTable
from featurestore.store.query import MOST_ROWS, query
from tests.support.installation import INSTALLED

NOW = 1_760_000_000_000
PANE_MS = 3_600_000
NAMES = [feature.name for feature in CONTINUOUS]
KEYS = layout.Keys(INSTALLED)


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint64)


def counters(**counts: int) -> bytes:
    record = np.zeros(1, layout.COUNTERS_RECORD)
    record["pane"] = NOW // PANE_MS
    for name, count in counts.items():
        record["totals"][0, COUNTERS.index(name)] = record["current"][0, COUNTERS.index(name)] = count
    return record.tobytes()


def stored_tweet(tweet: int, author: int) -> bytes:
    record = np.zeros(1, layout.TWEET)
    record["format"], record["id"], record["author_id"] = layout.TWEET_FORMAT, tweet, author
    record["created_ms"], record["text_length"] = NOW - 5_000, 40 + tweet
    return record.tobytes()


def marks() -> dict[bytes, bytes]:
    return dict.fromkeys(KEYS.wholes(), b"1")


def small_store() -> dict[bytes, bytes]:
    """Tweets 1 and 2 of authors 10 and 11; 1 was seen and liked by viewer 7; nobody saw 2."""
    store = marks()
    store |= zip(KEYS.tweets(ids(1, 2)), (stored_tweet(1, 10), stored_tweet(2, 11)), strict=True)
    store[KEYS.counters(TWEET, ids(1))[0]] = counters(seen=1, like=1)
    store |= dict.fromkeys(KEYS.counters(AUTHOR, ids(10)), counters(seen=1, like=1, posted=1))
    store |= dict.fromkeys(KEYS.counters(AUTHOR, ids(11)), counters(posted=1))
    store |= dict.fromkeys(KEYS.counters(VIEWER, ids(7)), counters(seen=1, like=1))
    store |= dict.fromkeys(KEYS.counters(PAIR, layout.pair_of(ids(7), ids(10))), counters(seen=1, like=1))
    history = np.zeros(1, layout.HISTORY_RECORD)
    history["at_ms"][0, 0], history["tweets"][0, 0] = NOW - 1_000, 1
    store[KEYS.histories(ids(7))[0]] = history.tobytes()
    return store


def asked(names: Sequence[str], store: dict[bytes, bytes], **of: object) -> tuple[FeatureTable, list[int]]:
    """The answer, and how many keys each round trip read."""
    trips = query(names, KEYS, PANE_MS, **{"at_ms": NOW, **of})  # type: ignore[arg-type]
    read = []
    try:
        keys = next(trips)
        while True:
            read.append(len(keys))
            keys = trips.send([store.get(key) for key in keys])
    except StopIteration as answered:
        return answered.value, read


def values(table: FeatureTable, name: str) -> list[float | None]:
    return [None if missing else float(v) for v, missing in zip(table[name], table.missing(name), strict=True)]


def test_what_the_store_knows_is_told_and_what_it_does_not_is_missing() -> None:
    table, _ = asked(NAMES, small_store(), tweet=[1, 2, 3], viewer=7)
    assert list(table.columns) == NAMES
    assert len(table) == 3
    assert table.whole
    assert values(table, "tweet.likes") == [1, 0, None]  # nobody saw 2, and there is no 3
    assert values(table, "tweet.text_length") == [41, 42, None]
    assert values(table, "tweet.age_s") == [5, 5, None]
    assert values(table, "tweet.rate") == [1, None, None]  # 0 of 0 is no rate
    assert values(table, "author.posted_recent") == [1, 1, None]
    assert values(table, "viewer.seen") == [1, 1, 1]
    assert values(table, "viewer_author.seen") == [1, 0, None]
    assert values(table, "viewer_tweet.history_author_match") == [1, 0, None]
    assert values(table, "request.hour_of_day") == [NOW // 3_600_000 % 24] * 3


def test_a_viewer_who_is_not_known_has_nothing() -> None:
    table, _ = asked(NAMES, small_store(), tweet=1, viewer=8)
    missing = {name for name in NAMES if values(table, name) == [None]}
    assert missing == {name for name in NAMES if name.startswith("viewer")}


def test_an_author_is_the_tweets_unless_named() -> None:
    store = small_store()
    assert values(asked(["author.engaged_recent"], store, tweet=[1, 2])[0], "author.engaged_recent") == [1, 0]
    assert values(asked(["author.engaged_recent"], store, author=[11, 10, 99])[0], "author.engaged_recent") == [
        0, 1, None,
    ]  # fmt: skip
    named, _ = asked(["viewer_author.seen"], store, author=10, viewer=[7, 8])
    assert values(named, "viewer_author.seen") == [1, None]


def test_only_what_is_needed_is_read() -> None:
    store, every = small_store(), len(KEYS.wholes())
    assert asked(["tweet.text_length"], store, tweet=[1, 2, 2])[1] == [2 + 2 + every]  # and counters
    assert asked(["author.rate_recent"], store, author=[10])[1] == [every, 1]
    assert asked(["author.rate_recent"], store, tweet=[1])[1] == [1 + every, 1]
    assert asked(["request.hour_of_day"], store)[1] == [every]
    # The viewer and its history, the tweet with its counters; then the author, the pair and one tweet of the history.
    assert asked(NAMES, store, tweet=[1], viewer=7)[1] == [4 + every, 3]


def test_a_store_that_is_being_rewritten_says_so() -> None:
    store = small_store()
    del store[KEYS.wholes()[0]]
    assert not asked(["tweet.likes"], store, tweet=1)[0].whole


def test_arrow_has_ids_first_and_nulls_for_what_is_missing() -> None:
    table, _ = asked(["tweet.likes", "tweet.rate"], small_store(), tweet=[1, 2, 3])
    shown = pa.table(table)  # by the C stream, as pandas, Polars and DuckDB take it
    assert shown.to_pydict() == {"tweet": [1, 2, 3], "tweet.likes": [1, 0, None], "tweet.rate": [1, None, None]}
    assert shown.schema.types == [pa.uint64(), pa.float32(), pa.float32()]


@pytest.mark.parametrize(
    ("names", "of", "said"),
    [
        (["tweet.likez"], {"tweet": 1}, r"no feature 'tweet\.likez': there is tweet\.likes"),
        (["tweet.likes"], {}, r"tweet\.likes need tweet: give the ids as tweet="),
        (["author.seen_recent"], {"viewer": 1}, "need author"),
        (["viewer_author.seen"], {"tweet": 1}, "need viewer"),
        (["tweet.likes"], {"tweet": -1}, "expected ids from 0"),
        (["tweet.likes"], {"tweet": 2**63}, "expected ids from 0"),
        (["tweet.likes"], {"tweet": 2**70}, "expected ids from 0"),
        (["tweet.likes"], {"tweet": 1.5}, "expected ids from 0"),
        (["tweet.likes"], {"tweet": "1"}, "expected ids from 0"),
        (["tweet.likes"], {"tweet": [[1]]}, "in one dimension"),
        (
            ["viewer_author.seen"],
            {"tweet": [1, 2], "viewer": [1, 2, 3]},
            "different lengths: tweet has 2, viewer has 3",
        ),
        (["tweet.likes"], {"tweet": range(MOST_ROWS + 1)}, "100,001 rows; ask for 100,000 at most"),
        (["tweet.age_s"], {"tweet": 1, "at_ms": -1}, "at is -1"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused(names: list[str], of: dict[str, object], said: str) -> None:
    with pytest.raises(QueryRefused, match=said):
        asked(names, small_store(), **of)


def test_no_rows_are_answered_with_no_rows() -> None:
    table, _ = asked(["tweet.likes", "author.rate_recent"], small_store(), tweet=[])
    assert [len(values) for values in table.columns.values()] == [0, 0]


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=12),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True),
)
def test_a_row_does_not_depend_on_the_others(tweets: list[int], names: list[str]) -> None:
    store = small_store()
    together, _ = asked(names, store, tweet=tweets, viewer=7)
    for row, tweet in enumerate(tweets):
        alone, _ = asked(names, store, tweet=tweet, viewer=7)
        for name in names:
            assert together[name][row].tobytes() == alone[name][0].tobytes()

"""Every file of real tweets is read, fast and in little memory; figures only, never contents."""

from collections import Counter

import pytest

from contracts.errors import BadSource
from contracts.records import Tweet
from sources import Rejected, Source, open_source
from tests.support.data_files import data_file

pytestmark = pytest.mark.data


def read(name: str) -> tuple[Source, list[Tweet], Counter[str]]:
    source = open_source(data_file(name))
    tweets: list[Tweet] = []
    reasons: Counter[str] = Counter()
    for found in source:
        if isinstance(found, Rejected):
            reasons[found.reason] += 1
        else:
            tweets.append(found)
    return source, tweets, reasons


@pytest.mark.parametrize(
    ("name", "tweets", "duplicates", "authors", "with_counts"),
    [
        ("tweets_public.csv.gz", 4_507, 0, 2, 4_507),
        ("nicar_engagement.csv.gz", 24_444, 0, 5_572, 18_473),
        ("airline_2015.csv.gz", 14_560, 80, 7_701, 14_560),
        ("french_media_2022.csv.gz", 2_800, 0, 28, 2_800),
        ("trump_v1_raw_public.jsonl.zst", 30_304, 0, 5, 30_304),
    ],
)
def test_file_of_tweets_is_read_whole(
    name: str, tweets: int, duplicates: int, authors: int, with_counts: int
) -> None:
    source, found, reasons = read(name)
    assert not reasons
    assert not source.offensive_texts
    assert (len(found), source.counts["duplicate"]) == (tweets, duplicates)
    assert len({tweet.author_id for tweet in found}) == authors
    assert sum(tweet.public_counts is not None for tweet in found) == with_counts
    assert len({tweet.id for tweet in found}) == tweets


@pytest.mark.slow
def test_large_file_of_minute_stamps_is_read_in_its_order() -> None:
    source = open_source(data_file("ira_en_public.csv.zst"))
    assert source.offensive_texts
    last, authors = 0, set()
    for found in source:
        assert isinstance(found, Tweet), "a row was rejected"
        assert found.created_ms >= last
        last = found.created_ms
        authors.add(found.author_id)
    assert source.counts == {"tweets": 947_890}
    assert len(authors) == 1_433


def test_spreadsheet_ids_are_replaced_and_others_kept() -> None:
    _, found, _ = read("nicar_engagement.csv.gz")
    lost = sum(tweet.id % 1_000 == 0 for tweet in found)
    assert lost < 100, "ids whose digits were lost in a spreadsheet were passed on"


def test_archive_of_api_shapes_gives_tweets_and_reasons() -> None:
    source, found, reasons = read("api_shapes.tar.zst")
    assert len(found) > 1_000
    assert reasons["malformed"] == 1, "the stream with one broken line"
    assert set(reasons) == {"malformed", "missing_field", "not_a_tweet"}
    assert source.counts["duplicate"] > 0


@pytest.mark.parametrize("which", ["bts_men", "bts_women", "random_men", "random_women"])
def test_recommendation_log_is_no_source_of_tweets(which: str) -> None:
    with pytest.raises(BadSource, match="no column was found for text"):
        open_source(data_file(f"openbandit_{which}.csv.gz"))

"""Tweets in columns: every text and claim is found again, whatever run of tweets is taken."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from contracts.records import Entities, Tweet
from vocab.tokens.surfaces import Surfaces
from vocab.tokens.tokenizer_reference import MAX_CLAIMS
from vocab.tokens.twitter_text import Kind

NAMES = st.lists(st.sampled_from(["", "a", "東京", "\ud800", "x" * 100]), max_size=3)
MANY = st.integers(0, 2 * MAX_CLAIMS).map(lambda n: [str(i) for i in range(n)])
URLS = st.lists(st.sampled_from(["", "http://x.com/a", "http://x.com/" + "a" * 600]), max_size=3) | MANY
ENTITIES = st.none() | st.builds(
    Entities, hashtags=NAMES | MANY, mentions=NAMES | MANY, cashtags=NAMES | MANY, urls=URLS
)
TWEETS = st.lists(st.tuples(st.sampled_from(["", "abc", "é\ud800", "🙂 x" * 50]), ENTITIES), max_size=5)


def tweet(text: str, entities: Entities | None) -> Tweet:
    return Tweet(id=1, created_ms=1_400_000_000_000, author_id=7, author="a", text=text, entities=entities)


def claims_of(entities: Entities, kind: Kind) -> list[str]:
    """What the tokenizer's definition reads of a tweet's entities: the host of a URL stands in its beginning."""
    match kind:
        case Kind.URL:
            return [url[:512] for url in entities.urls[:MAX_CLAIMS]]
        case Kind.HASHTAG:
            return ["#" + name for name in entities.hashtags[:MAX_CLAIMS]]
        case Kind.MENTION:
            return ["@" + name for name in entities.mentions[:MAX_CLAIMS]]
        case Kind.CASHTAG:
            return ["$" + name for name in entities.cashtags[:MAX_CLAIMS]]


@given(TWEETS, st.sampled_from([1, 20, 1_000, 1 << 20]))
def test_runs_hold_every_text_and_claim(rows, most):
    tweets = [tweet(*row) for row in rows]
    surfaces = Surfaces(tweets)
    runs = list(surfaces.chunks(most))
    assert [i for run in runs for i in range(run.start, run.stop)] == list(range(len(tweets)))
    for run in runs:
        points, begins, claims = surfaces.of(run)
        spelled = [
            points[begin:end].tobytes().decode("utf-32-le", "surrogatepass")
            for begin, end in pairwise(begins.tolist())
        ]
        assert "".join(spelled) == points.tobytes().decode("utf-32-le", "surrogatepass")
        here = tweets[run]
        assert spelled[: len(here)] == [each.text for each in here]
        assert claims.shape == (len(Kind), len(here) + 1)
        for i, each in enumerate(here):
            for kind in Kind:
                expected = [] if each.entities is None else claims_of(each.entities, kind)
                assert spelled[claims[kind, i] : claims[kind, i + 1]] == expected


@given(TWEETS)
def test_a_run_ends_with_the_tweet_that_fills_it(rows):
    tweets = [tweet(*row) for row in rows]
    surfaces, most = Surfaces(tweets), 150
    for run in surfaces.chunks(most):
        assert run.stop == len(tweets) or len(surfaces.of(run)[0]) >= most
        assert run.stop - run.start <= 1 or len(surfaces.of(slice(run.start, run.stop - 1))[0]) < most


def test_no_tweets_are_one_run_of_none():
    surfaces = Surfaces([])
    assert list(surfaces.chunks(10)) == [slice(0, 0)]
    points, begins, claims = surfaces.of(slice(0, 0))
    assert len(points) == 0
    assert begins.tolist() == [0]
    assert claims.tolist() == [[0]] * len(Kind)

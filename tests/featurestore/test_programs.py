"""Compiled features against their declarations, read row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.columnar import COUNTERS
from contracts.columns import is_missing
from featurestore.declarations import COUNTED, Age, Count, Feature, HourOfDay, InHistory, Is, Share, Written
from featurestore.features import CANDIDATE_DENSE, VIEWER_DENSE
from featurestore.store.programs import Compiled, Inputs
from featurestore.store.redis_layout import COUNTERS_RECORD, QUOTE, REPLY, RETWEET, TWEET

PANE_MS = 1_000
NOW_PANE = 1_800_000_000

names_of_counters = st.lists(st.sampled_from(COUNTERS), min_size=1, max_size=4, unique=True).map(tuple)
counts = st.builds(Count, names_of_counters, st.sampled_from(["ever", "pane"]))
of_counted = st.builds(
    lambda entity, source: Feature(f"{entity}.made", source, "as the test says"),
    st.sampled_from(COUNTED),
    counts | st.builds(Share, counts, counts),
)
of_tweets = st.sampled_from(
    [
        *(Written(field) for field in ("text_length", "tag_count", "media", "author_followers")),
        *map(Is, ("reply", "quote", "retweet")),
        Age(), HourOfDay(), InHistory("author"), InHistory("hashtags"),
    ]
).map(lambda source: Feature("tweet.made", source, "as the test says"))  # fmt: skip


def reference(feature: Feature, inputs: Inputs, row: int) -> float:
    """The value of one row, as the declaration's words have it. NaN: missing."""
    tweet, at_ms = inputs.tweets[row], int(inputs.at_ms[row])

    def counted(count: Count) -> float:
        state = inputs.counters[feature.entity][row]
        total = 0.0
        for name in count.counted:
            place = COUNTERS.index(name)
            if count.window == "ever":
                total += int(state["totals"][place])
                continue
            # Of the pane before the request's, what is less than PANE_MS old.
            now = max(at_ms, int(state["pane"]) * PANE_MS)
            panes = {int(state["pane"]): "current", int(state["pane"]) - 1: "previous"}
            left = 1 - now % PANE_MS / PANE_MS
            for pane, weight in ((now // PANE_MS, 1.0), (now // PANE_MS - 1, left)):
                total += weight * int(state[panes[pane]][place]) if pane in panes else 0
        return total

    match feature.source:
        case Count() as count:
            return counted(count)
        case Share(part=part, whole=whole):
            most = max(counted(part), counted(whole))
            return counted(part) / most if most else float("nan")
        case Written(field=field):
            return float(tweet[field])
        case Is(kind=kind):
            return float(bool(tweet["flags"] & {"reply": REPLY, "quote": QUOTE, "retweet": RETWEET}[kind]))
        case Age():
            return (at_ms - int(tweet["created_ms"])) / 1000
        case HourOfDay():
            return float(at_ms // 3_600_000 % 24)
        case InHistory(of=of):
            return float(inputs.in_history[of][row])


def drawn(seed: int, rows: int) -> Inputs:
    random = np.random.default_rng(seed)
    tweets = np.zeros(rows, TWEET)
    for name, most in (("flags", 8), ("media", 5), ("text_length", 300), ("tag_count", 9), ("author_followers", 1e6)):
        tweets[name] = random.integers(0, int(most), rows)
    at_ms = NOW_PANE * PANE_MS + random.integers(0, 5 * PANE_MS, rows)
    tweets["created_ms"] = at_ms - random.integers(-PANE_MS, 10**6, rows)
    counters = {}
    for entity in COUNTED:
        counters[entity] = np.zeros(rows, COUNTERS_RECORD)
        counters[entity]["pane"] = NOW_PANE + random.integers(-2, 6, rows)
        for part in ("totals", "current", "previous"):
            counters[entity][part] = random.integers(0, 4, (rows, len(COUNTERS))) * random.integers(0, 2, (rows, 1))
    in_history = {of: random.integers(0, 9, rows).astype(np.float64) for of in ("author", "hashtags")}
    return Inputs(tweets=tweets, at_ms=at_ms, counters=counters, pane_ms=PANE_MS, in_history=in_history)


@given(st.lists(of_counted | of_tweets, min_size=1, max_size=6), st.integers(0, 2**32), st.integers(0, 12))
def test_a_program_gives_what_its_declaration_says(features: list[Feature], seed: int, rows: int) -> None:
    inputs = drawn(seed, rows)
    found = Compiled(features).run(inputs, rows)
    expected = [[reference(feature, inputs, row) for feature in features] for row in range(rows)]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(expected, np.float64).reshape(found.shape), rtol=1e-6)
    assert (is_missing(found) == np.isnan(found)).all()  # nothing that is computed is NaN but not missing


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("likes", Count(("like",)), "name a feature ENTITY.NAME; entities are request, viewer"),
        ("song.likes", Count(("like",)), "ENTITY.NAME"),
        ("tweet.2 likes", Count(("like",)), "ENTITY.NAME"),
        ("request.likes", Count(("like",)), "nothing is counted for a request; it is for viewer, tweet"),
        ("viewer_tweet.rate", Share(Count(("like",)), Count(("seen",))), "nothing is counted for a viewer_tweet"),
    ],
)
def test_a_feature_that_cannot_be_is_refused(name: str, source: Count | Share, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Feature(name, source, "what it is")


@pytest.mark.parametrize("counted", [(), ("likes",), ("like", "sight")])
def test_a_count_of_nothing_that_is_counted_is_refused(counted: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="name some of seen, like"):
        Count(counted)


def test_no_two_features_have_one_name() -> None:
    names = [feature.name for feature in (*VIEWER_DENSE, *CANDIDATE_DENSE)]
    assert len(set(names)) == len(names)

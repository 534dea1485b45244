"""Timelines out of candidates: their order, their length, what they say of themselves, what is logged of them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import Codec, serialize
from contracts.columnar import CandidatesServed
from contracts.records import Provenance, Reason
from contracts.served import features_of_requests
from contracts.settings import Settings, VocabSettings
from featurestore.features import CANDIDATE_SIDE, FEATURE_SET, VIEWER_SIDE
from model.serving import Predictor
from scoring import fallback
from scoring.ranker import EXPLAINED, rank
from tests.golden.compare import assert_same_bits, assert_same_features
from tests.support.scoring_samples import make_read, make_request, make_snapshot
from tests.support.unhurried import unhurried
from vocab.tokens.tokenizer import TOKENIZER_VERSION

SETTINGS = Settings(vocab=VocabSettings.uniform(capacity=128, rare_slots=64))


class Scripted:
    """A model that gives candidate i the i-th of its probabilities, and remembers what it was asked to explain."""

    def __init__(self, probabilities):
        snapshot = make_snapshot(SETTINGS, 7)
        self.manifest, self.vocabulary = snapshot.manifest, snapshot.vocabulary
        self.probabilities = np.array(probabilities, np.float32)
        self.explained = []

    def score(self, features):
        assert len(features) == len(self.probabilities)
        return self.probabilities

    def explain(self, features, rows):
        self.explained.append((features, rows))
        return [[Reason(feature=f"row{row}", log_odds=1.0)] for row in rows.tolist()]


def clock():
    """A clock that ticks a millisecond a look."""
    clock.now += 1_000
    return clock.now


clock.now = 0


@pytest.fixture(scope="module")
def predictor():
    return Predictor(make_snapshot(SETTINGS, 3))


@pytest.fixture(scope="module")
def offline_predictor():
    """The same snapshot, loaded elsewhere."""
    return Predictor(make_snapshot(SETTINGS, 3))


def ids(timeline):
    return [int(tweet.id) for tweet in timeline.tweets]


def test_places_go_by_probability_and_equal_ones_by_id():
    read = make_read([5, 3])
    read = dataclasses.replace(read, tweet_ids=np.array([50, 40, 30, 20, 10, 3, 2, 1], np.uint64))
    model = Scripted([0.1, 0.5, 0.5, 0.9, 0.5, 0.2, 0.2, 0.3])
    (first, _), (second, _) = rank([make_request(1), make_request(2)], read, model, 0, clock)
    assert ids(first) == [20, 10, 30, 40, 50]
    assert ids(second) == [1, 2, 3]
    assert [tweet.probability for tweet in second.tweets] == [float(np.float32(p)) for p in (0.3, 0.2, 0.2)]


def test_each_timeline_has_at_most_its_own_limit():
    read = make_read([4, 4, 0, 2])
    model = Scripted(np.linspace(0.1, 0.9, 10))
    requests = [make_request(1, limit=2), make_request(2, limit=35), make_request(3), make_request(4, limit=1)]
    timelines = [timeline for timeline, _ in rank(requests, read, model, 0, clock)]
    assert [ids(timeline) for timeline in timelines] == [[4, 3], [8, 7, 6, 5], [], [10]]


def test_a_timeline_names_its_request_its_model_and_every_version():
    request = make_request(1, provenance=Provenance.SIMULATED_WORLD)
    ((timeline, served),) = rank([request], make_read([2]), Scripted([0.5, 0.6]), 0, clock)
    assert (timeline.request_id, timeline.viewer_id, timeline.at_ms) == ("r1", "1", request.at_ms)
    assert (timeline.ranker, timeline.model, timeline.model_version) == ("model", "timeline", 7)
    assert (timeline.vocab_version, timeline.bins_version) == (1_007, 2_007)
    assert timeline.provenance == served.provenance == Provenance.SIMULATED_WORLD
    assert (served.model_version, served.vocab_version, served.bins_version) == (7, 1_007, 2_007)
    assert (served.ranker, served.tokenizer, served.feature_set) == ("model", TOKENIZER_VERSION, FEATURE_SET)
    assert (served.request_id, served.viewer_id, served.at_ms) == ("r1", 1, request.at_ms)


def test_what_the_store_does_not_know_is_reported_and_left_out():
    read = dataclasses.replace(make_read([2]), missing=[np.array([99, 98], np.uint64)])
    ((timeline, _),) = rank([make_request(1)], read, Scripted([0.5, 0.6]), 0, clock)
    assert timeline.missing == ["99", "98"]
    assert ids(timeline) == [2, 1]


def test_without_a_model_the_newest_come_first_and_the_answer_says_so():
    read = make_read([4])
    read = dataclasses.replace(
        read,
        tweet_ids=np.array([4, 3, 2, 1], np.uint64),
        created_ms=np.array([100, 300, 100, 200], np.int64),
    )
    ((timeline, served),) = rank([make_request(1)], read, None, 0, clock)
    assert ids(timeline) == [3, 1, 2, 4]
    assert timeline.ranker == served.ranker == fallback.RECENCY == "fallback-recency"
    assert all(tweet.probability is None for tweet in timeline.tweets)
    assert timeline.model is timeline.model_version is timeline.vocab_version is timeline.bins_version is None
    assert np.isnan(served.probabilities).all()
    assert (served.model_version, served.vocab_version, served.bins_version) == (0, 0, 0)


def test_reasons_come_with_the_first_places_of_requests_that_ask():
    model = Scripted(np.linspace(0.9, 0.1, 20))
    requests = [make_request(1), make_request(2, explain=True), make_request(3, explain=True)]
    answers = rank(requests, make_read([3, 15, 2]), model, 0, clock)
    explained = [[len(tweet.reasons) for tweet in timeline.tweets] for timeline, _ in answers]
    assert explained == [[0] * 3, [1] * EXPLAINED + [0] * (15 - EXPLAINED), [1, 1]]
    assert len(model.explained) == 1, "all are explained in one call"
    assert answers[2][0].tweets[1].reasons[0].feature == "row19"


def test_nothing_is_explained_where_nobody_asks_or_there_is_no_model():
    model = Scripted([0.5])
    rank([make_request(1)], make_read([1]), model, 0, clock)
    ((timeline, _),) = rank([make_request(1, explain=True)], make_read([1]), None, 0, clock)
    assert model.explained == []
    assert timeline.tweets[0].reasons == []


def test_real_reasons_name_features(predictor):
    ((timeline, _),) = rank([make_request(1, explain=True)], make_read([3]), predictor, 0, clock)
    assert all(reason.feature and reason.log_odds for tweet in timeline.tweets for reason in tweet.reasons)
    assert timeline.tweets[0].reasons


def test_a_batchs_time_is_shared_evenly():
    timelines = [
        timeline for timeline, _ in rank([make_request(1), make_request(2)], make_read([1, 2]), None, 500, clock)
    ]
    assert {timeline.timings.fetch_us for timeline in timelines} == {250}
    assert {(timeline.timings.score_us, timeline.timings.answer_us) for timeline in timelines} == {(500, 500)}


def test_no_requests_are_no_answers(predictor):
    assert rank([], make_read([]), predictor, 0, clock) == []


@pytest.mark.parametrize("counts", [[0], [0, 0], [0, 3, 0]])
def test_requests_without_candidates_get_empty_timelines(predictor, counts):
    answers = rank([make_request(i) for i in range(len(counts))], make_read(counts), predictor, 0, clock)
    assert [len(timeline.tweets) for timeline, _ in answers] == counts
    assert [len(served.tweet_ids) for _, served in answers] == counts


@unhurried
@given(st.lists(st.integers(0, 12), min_size=1, max_size=6), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_what_is_logged_is_what_was_scored_and_scores_the_same_bits_again(
    predictor, offline_predictor, counts, limit, seed
):
    read = make_read(counts, seed)
    requests = [make_request(i, limit=limit) for i in range(len(counts))]
    for i, (timeline, served) in enumerate(rank(requests, read, predictor, 0, clock)):
        logged = Codec(CandidatesServed).deserialize(serialize(served))
        assert ids(timeline) == logged.tweet_ids.tolist()
        assert len(logged.tweet_ids) == min(limit, counts[i])
        if not counts[i]:
            continue
        features = features_of_requests([logged], VIEWER_SIDE, CANDIDATE_SIDE)
        again = offline_predictor.score(features)
        assert_same_bits(again, logged.probabilities)
        assert [tweet.probability for tweet in timeline.tweets] == again.tolist()
        rows = np.searchsorted(read.tweet_ids, logged.tweet_ids)
        alone = read.at(predictor.vocabulary).take(rows)
        assert_same_features(features, alone.take_viewers(np.array([i]), np.zeros(len(rows), np.int32)))
        assert_same_bits(logged.author_ids, read.author_ids[rows])

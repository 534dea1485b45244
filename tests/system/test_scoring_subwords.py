"""A made-up word moves a score by its n-grams, from the tweet in Redis to what the trainer learns."""

import dataclasses

import msgspec
import numpy as np
import pytest

from contracts.bags import Bags, Keys
from contracts.codec import Codec
from contracts.columnar import CandidatesServed
from contracts.columns import FeatureColumns
from contracts.records import ACTIONS, Action, Provenance, Tweet
from contracts.served import features_of_requests
from contracts.settings import Settings, VocabSettings
from contracts.topics import CANDIDATES_SERVED
from featurestore.bins.replica import FrozenBins
from featurestore.encoding.encode import encode
from featurestore.features import CANDIDATE_SIDE, SUBWORDS, VIEWER_SIDE
from featurestore.join.closed_requests import Labelled, examples_of
from featurestore.join.served_requests import unpack_served
from featurestore.store.reader import FeatureReader
from featurestore.store.writer import write_tweets
from model.serving import Predictor
from model.snapshot import Snapshot
from scoring.service import ScoringProcessor
from tests.golden.compare import assert_same_bits
from tests.support.scoring_samples import BEGIN_MS, make_request, make_snapshot
from tests.system.test_scoring_service import records
from trainer.learner import Learner
from transport.redis.connection import connect
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.replica.vocabulary import FrozenVocabulary
from vocab.tokens.subwords_reference import subword_keys
from vocab.tokens.tokenizer import Tokenizer

TEXTS = {1: "blorptastic", 2: "blorptastical", 3: "refrigerator", 4: "so blorptastic"}
SMALL = VocabSettings.uniform(capacity=128, rare_slots=4_096)


@pytest.fixture
async def redis(redis_url, settings):
    client = connect(settings)
    tweets = [
        Tweet(id=i, created_ms=BEGIN_MS, author_id=1, author="ann", text=text, provenance=Provenance.SIMULATED_WORLD)
        for i, text in TEXTS.items()
    ]
    await write_tweets(client, settings, tweets, Tokenizer().tokenize(tweets))
    yield client
    await client.aclose()


def small(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, vocab=SMALL)


def admitting(snapshot: Snapshot, *words: str) -> Predictor:
    """The same weights, with a vocabulary that has admitted these words and nothing else."""
    view = snapshot.vocabulary
    keys = np.sort(np.array([key_of(Namespace.WORD, word) for word in words], np.uint64))
    vocabulary = FrozenVocabulary(
        version=view.version, sequence=1, layout=view.layout, keys=keys, slots=view.slots[: len(keys)],
        generations=np.ones(len(keys), np.uint32),
    )  # fmt: skip
    return Predictor(dataclasses.replace(snapshot, vocabulary=vocabulary))


async def serve(settings, redis, model: Predictor | None) -> tuple[dict[int, int], CandidatesServed]:
    """(row of each tweet, the record of what was served)."""
    scorer = ScoringProcessor(settings, FeatureReader(redis, settings), lambda: model)
    outputs = await scorer.process(records(make_request(1, candidates=list(TEXTS))))
    (value,) = [output.value for output in outputs if output.topic == CANDIDATES_SERVED.name]
    served = Codec(CandidatesServed).deserialize(value)
    return {tweet: row for row, tweet in enumerate(served.tweet_ids.tolist())}, served


def subwords_of(served: CandidatesServed) -> Keys:
    return features_of_requests([served], VIEWER_SIDE, CANDIDATE_SIDE).candidate_keys["subwords"]


def emptied(features: FeatureColumns) -> FeatureColumns:
    none = {"subwords": Bags.empty(len(features), np.uint64)}
    return dataclasses.replace(features, candidate_keys={**features.candidate_keys, **none})


async def test_a_made_up_word_moves_the_score_until_it_is_admitted(settings, redis):
    snapshot = make_snapshot(small(settings), 3)
    unknown, known = admitting(snapshot, "so"), admitting(snapshot, "so", "blorptastic")
    row, served = await serve(settings, redis, unknown)
    bags, features = subwords_of(served), features_of_requests([served], VIEWER_SIDE, CANDIDATE_SIDE)
    assert bags[row[1]].tolist() == bags[row[4]].tolist() == subword_keys("blorptastic")[:4]
    assert_same_bits(unknown.score(features), served.probabilities)
    moved = unknown.logits(features) - unknown.logits(emptied(features))
    assert (np.abs(moved) > 1e-3).all()
    (reasons,) = unknown.explain(features, np.array([row[1]]), top=100)
    assert "subwords" in {reason.feature for reason in reasons}

    row, served = await serve(settings, redis, known)
    bags = subwords_of(served)
    assert [len(bags[row[tweet]]) for tweet in TEXTS] == [0, 4, 4, 0]
    assert_same_bits(known.score(features_of_requests([served], VIEWER_SIDE, CANDIDATE_SIDE)), served.probabilities)


async def test_related_words_share_rows_and_others_none(settings, redis):
    model = admitting(make_snapshot(small(settings), 3), "so")
    row, served = await serve(settings, redis, model)
    inputs = encode(
        features_of_requests([served], VIEWER_SIDE, CANDIDATE_SIDE), model.vocabulary, FrozenBins.empty()
    ).candidate_slots["subwords"]
    one, related, other = (
        set(inputs.ids[inputs.offsets[row[i]] : inputs.offsets[row[i] + 1]].tolist()) for i in (1, 2, 3)
    )
    assert one & related
    assert not one & other


async def test_without_a_model_every_word_is_served_by_its_ngrams(settings, redis):
    row, served = await serve(settings, redis, None)
    bags = subwords_of(served)
    so, blorptastic = subword_keys("so"), subword_keys("blorptastic")[:4]
    turns = [so[0], blorptastic[0], so[1], blorptastic[1], so[2], blorptastic[2], blorptastic[3]]
    assert bags[row[4]].tolist() == turns[:SUBWORDS]


async def test_the_trainer_learns_exactly_the_rows_of_what_was_served(settings, redis):
    _, served = await serve(settings, redis, admitting(make_snapshot(small(settings), 3), "so"))
    liked = 1 << ACTIONS.index(Action.LIKE)
    labels = {place: Labelled(bits=liked) for place in range(len(TEXTS))}
    (closed,) = examples_of([(*unpack_served([served]), labels, served.at_ms)], 1.0)
    bags = closed.examples.features.candidate_keys["subwords"]
    assert_same_bits(bags.ids, subwords_of(served).ids)
    learner = Learner(small(settings))
    before = learner.weights()["linear"].copy()
    slots = encode(closed.examples.features, learner.vocabulary, learner.bins).candidate_slots["subwords"].ids
    learner.learn([closed.examples])
    assert (learner.weights()["linear"][slots] != before[slots]).all()

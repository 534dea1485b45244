"""A made-up word on its whole way: from tweets that are counted to a row of its own, which its n-grams stand in for.

Everything between is the real thing, without servers: tokens, a source's counts, the owner's decisions, the trainer's
replica, the record of a tweet, ranking with a published snapshot, and learning from what was served.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest

from contracts.codec import Codec, serialize
from contracts.columnar import CandidatesServed, VocabCounts, VocabDelta
from contracts.columns import FeatureColumns
from contracts.examples import Examples
from contracts.records import ACTIONS, Action, BinsVersion, Tweet
from contracts.served import features_of_requests
from contracts.settings import Settings, TrainerSettings, VocabSettings
from contracts.topics import TWEETS
from featurestore.encoding.encode import encode as encode_features
from featurestore.features import CANDIDATE_SIDE, VIEWER_SIDE
from featurestore.join.closed_requests import Labelled, examples_of
from featurestore.join.served_requests import unpack_served
from featurestore.store.feature_columns import StoreRows, columns_of
from featurestore.store.reader import FeaturesRead
from featurestore.store.redis_layout import COUNTERS_RECORD, HISTORY_RECORD, TWEET, WORD_SUBWORDS, unpack_tweets
from featurestore.store.subwords import TweetWords, subwords_of
from featurestore.store.tweet_records import tweet_records, tweet_values
from model.serving import Predictor
from scoring.ranker import rank
from tests.golden.compare import assert_same_bits
from tests.support.scoring_samples import BEGIN_MS, make_request
from tests.support.trainer_world import snapshot_of
from trainer.learner import Learner
from trainer.versions import Versions
from vocab.keys import key_of
from vocab.namespaces import Namespace
from vocab.owner.owner import VocabularyOwner
from vocab.slot_layout import Region
from vocab.source_counter import SourceCounter
from vocab.tokens.subwords_reference import subword_keys
from vocab.tokens.tokenizer import Tokenizer

SETTINGS = Settings(
    vocab=VocabSettings.uniform(capacity=1_024, rare_slots=4_096, admit_at=5.0, half_life_windows=8.0),
    trainer=TrainerSettings(embedding_dim=8, batch_size=64, learning_rate=0.05),
)
SHARDS, WINDOW_MS = SETTINGS.vocab.shards, SETTINGS.time.window_ms
WORD, RELATED, FREQUENT = "blorptastic", "blorptastical", "so"
KEY, FREQUENT_KEY = (key_of(Namespace.WORD, word) for word in (WORD, FREQUENT))
TWEETED = {1: WORD, 2: RELATED, 3: f"{FREQUENT} {WORD}"}  # what is ranked, by the tweet's id

pytestmark = pytest.mark.usefixtures("one_thread")


def tweets_of(texts: dict[int, str]) -> list[Tweet]:
    return [
        Tweet(id=i, created_ms=BEGIN_MS, author_id=i, author=f"a{i}", text=text, lang="en")
        for i, text in texts.items()
    ]


def read() -> FeaturesRead:
    """What the store knows of one viewer and the tweets of `TWEETED`, of which nothing was counted yet."""
    tweets = tweets_of(TWEETED)
    batch = Tokenizer().tokenize(tweets)
    records = tweet_records(tweets, batch)
    values = tweet_values(records, tweets, subwords_of(records, batch))
    records, rows = unpack_tweets(values), np.arange(len(tweets))
    nothing = np.zeros(len(tweets), COUNTERS_RECORD)
    found = StoreRows(
        at_ms=np.array([BEGIN_MS]), viewer_ids=np.ones(1, np.uint64), viewers=nothing[:1],
        histories=np.zeros(1, HISTORY_RECORD), past_tweets=np.zeros(0, TWEET), viewer_row=np.zeros_like(rows),
        tweets=records, tweet_counts=nothing, author_counts=nothing, pair_counts=nothing,
    )  # fmt: skip
    return FeaturesRead(
        features=columns_of(found, SETTINGS.features.pane_ms), words=TweetWords.of(records, values, rows),
        offsets=np.array([0, len(tweets)]), tweet_ids=records["id"].astype(np.uint64),
        author_ids=records["author_id"].astype(np.uint64), created_ms=records["created_ms"].astype(np.int64),
        missing=[np.empty(0, np.uint64)],
    )  # fmt: skip


class Installation:
    """A source of tweets, an owner of all shards, a trainer and scorers, connected as topics connect them."""

    def __init__(self, folder: Path) -> None:
        self.learner = Learner(SETTINGS)
        self.window = BEGIN_MS // WINDOW_MS
        self._tokenizer = Tokenizer()
        self._counter = SourceCounter(TWEETS.name, 0, 1, SHARDS)
        self._owner = VocabularyOwner.begin(SETTINGS.vocab, range(SHARDS), frozenset({(TWEETS.name, 0)}), WINDOW_MS)
        self._versions = Versions(SETTINGS, self.learner.vocabulary, {})
        self._offsets, self._decided = itertools.count(), itertools.count(1)
        self._folder, self._published = folder, itertools.count(1)

    def pass_window(self, *texts: str) -> None:
        """The next window, in which these were tweeted, and the trainer goes on to its version."""
        base, self.window = self.window, self.window + 1
        batch = self._tokenizer.tokenize(tweets_of(dict(enumerate(texts, 1))))
        windows = np.full(len(texts), self.window)
        frames = self._counter.count(batch, windows, self.window)
        for _, frame in frames + self._counter.markers(self.window):
            self._owner.observe(Codec(VocabCounts).deserialize(serialize(frame)))
        for delta in self._owner.close_windows():
            self._versions.feed_vocabulary(0, next(self._offsets), Codec(VocabDelta).deserialize(serialize(delta)))
        sequence = next(self._decided)
        self._versions.feed_bins(
            BinsVersion(
                base_version=base if sequence > 1 else 0, version=self.window, sequence=sequence, edges={}, cells={}
            )
        )
        assert self._versions.reach(self.window)
        self.learner.move_to(*self._versions.at(self.window))
        assert self.learner.vocabulary.version == self.window

    def publish(self) -> Predictor:
        """A scorer's model, as the trainer stands now, out of a folder of its own."""
        version = next(self._published)
        snapshot_of(self.learner, version).save(self._folder / str(version))
        return Predictor.load(self._folder / str(version))

    def learn(self, example: Examples) -> np.ndarray:
        """The rows of the table that learning it has moved."""
        before = self.learner.weights()["linear"].copy()
        self.learner.learn([example])
        return np.flatnonzero(self.learner.weights()["linear"] != before)

    def until_admitted(self) -> None:
        """The word comes up, twice a window."""
        while not self.learner.vocabulary.is_admitted(np.array([KEY]))[0]:
            self.pass_window(f"{FREQUENT} {WORD}", WORD)


def serve(model: Predictor) -> tuple[CandidatesServed, FeatureColumns, dict[int, int]]:
    """(what was served, its features as whoever reads the record sees them, the row of each tweet)."""
    ((_, served),) = rank([make_request(1)], read(), model, 0, lambda: 0)
    served = Codec(CandidatesServed).deserialize(serialize(served))
    rows = {tweet: row for row, tweet in enumerate(served.tweet_ids.tolist())}
    return served, features_of_requests([served], VIEWER_SIDE, CANDIDATE_SIDE), rows


def liked(served: CandidatesServed, row: int) -> Examples:
    """The example of one place that was liked."""
    label = Labelled(bits=1 << ACTIONS.index(Action.LIKE))
    (closed,) = examples_of([(*unpack_served([served]), {row: label}, served.at_ms)], 1.0)
    return closed.examples


def ngram_rows(learner: Learner, word: str) -> np.ndarray:
    """The shared rows of the n-grams that a tweet keeps of a word."""
    ngrams = np.array(subword_keys(word)[:WORD_SUBWORDS], np.uint64)
    return np.unique(learner.vocabulary.lookup(ngrams, np.full(len(ngrams), Region.TEXT, np.uint8)))


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """One in which a frequent word was admitted in the first window."""
    made = Installation(tmp_path)
    made.pass_window(*[FREQUENT] * 20)
    return made


def test_its_ngrams_stand_in_until_it_is_admitted_and_its_own_row_from_then_on(installation):
    learner, word = installation.learner, np.array([KEY], np.uint64)
    for sightings in (0, 2, 4):
        assert learner.vocabulary.is_admitted(np.array([FREQUENT_KEY, KEY])).tolist() == [True, False], sightings
        served, features, rows = serve(installation.publish())
        bags = features.candidate_keys["subwords"]
        assert bags[rows[1]].tolist() == bags[rows[3]].tolist() == subword_keys(WORD)[:WORD_SUBWORDS]
        moved = installation.learn(liked(served, rows[1]))
        assert np.isin(ngram_rows(learner, WORD), moved).all()
        installation.pass_window(f"{FREQUENT} {WORD}", WORD)

    assert learner.vocabulary.is_admitted(word).all()
    own = learner.vocabulary.lookup(word)
    assert not np.isin(own, learner.vocabulary.layout.rare_rows).any()
    served, features, rows = serve(installation.publish())
    bags = features.candidate_keys["subwords"]
    assert [len(bags[rows[i]]) for i in TWEETED] == [0, WORD_SUBWORDS, 0]
    moved = installation.learn(liked(served, rows[1]))
    assert np.isin(own, moved).all()
    assert not np.isin(ngram_rows(learner, WORD), moved).any()


def test_words_that_are_like_it_are_served_by_what_it_taught_its_ngrams(installation):
    learner = installation.learner
    shared = np.intersect1d(ngram_rows(learner, WORD), ngram_rows(learner, RELATED))
    served, _, rows = serve(installation.publish())
    assert np.isin(shared, installation.learn(liked(served, rows[1]))).all()
    installation.until_admitted()
    _, features, rows = serve(installation.publish())
    inputs = encode_features(features, learner.vocabulary, learner.bins).candidate_slots["subwords"]
    bag = inputs.ids[inputs.offsets[rows[2]] : inputs.offsets[rows[2] + 1]]
    assert len(shared)
    assert np.isin(shared, bag).all()


def test_trainer_and_scorer_agree_at_every_version_of_the_way(installation):
    learner = installation.learner
    for _ in range(5):
        model = installation.publish()
        served, features, rows = serve(model)
        assert (served.model_version, served.vocab_version) == (model.manifest.version, learner.vocabulary.version)
        for column in ("keys", "slots", "generations"):
            assert_same_bits(getattr(model.vocabulary, column), getattr(learner.vocabulary, column))
        assert_same_bits(model.score(features), served.probabilities)
        predicted = learner.predict(encode_features(features, learner.vocabulary, learner.bins))
        np.testing.assert_allclose(model.logits(features), predicted, rtol=1e-5, atol=1e-5)
        for row in rows.values():
            installation.learn(liked(served, row))
        installation.pass_window(f"{FREQUENT} {WORD}", WORD)
    assert learner.vocabulary.is_admitted(np.array([KEY])).all()


def test_what_was_served_before_its_admission_is_learned_as_served_after_it(installation):
    served, _, rows = serve(installation.publish())
    installation.until_admitted()
    moved = installation.learn(liked(served, rows[1]))
    assert np.isin(ngram_rows(installation.learner, WORD), moved).all()
    assert np.isin(installation.learner.vocabulary.lookup(np.array([KEY], np.uint64)), moved).all()


def test_a_word_that_has_lost_its_row_is_served_by_its_ngrams_again(installation):
    installation.until_admitted()
    while installation.learner.vocabulary.is_admitted(np.array([KEY]))[0]:
        installation.pass_window(FREQUENT)
    _, features, rows = serve(installation.publish())
    assert features.candidate_keys["subwords"][rows[1]].tolist() == subword_keys(WORD)[:WORD_SUBWORDS]

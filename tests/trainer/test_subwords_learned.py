"""Words that nobody has seen before are learned from through what they are made of."""

from dataclasses import replace

import numpy as np
import pytest

from contracts.bags import Bags
from contracts.columns import MISSING, FeatureColumns
from contracts.examples import Examples, engaged
from contracts.records import ACTIONS, Action, Tweet
from contracts.settings import Settings, TrainerSettings, VocabSettings
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, TWEET_FIELDS, VIEWER_DENSE, VIEWER_SIDE
from featurestore.store.subwords import TweetWords, subwords_of
from featurestore.store.tweet_records import tweet_records, tweet_values
from model.evaluation import log_loss
from tests.support.plain_examples import examples_of
from trainer.learner import Learner
from vocab.tokens.tokenizer import Tokenizer

STEMS, TWEETS, LATEST = 40, 12_000, 4_000
SETTINGS = Settings(
    vocab=VocabSettings.uniform(capacity=128, rare_slots=4_096),
    trainer=TrainerSettings(embedding_dim=8, batch_size=64, learning_rate=0.05),
)

pytestmark = pytest.mark.usefixtures("one_thread")


def letters(random: np.random.Generator, rows: int, width: int) -> list[str]:
    return ["".join(map(chr, word)) for word in random.integers(ord("a"), ord("z") + 1, (rows, width)).tolist()]


def made_up(seed: int) -> tuple[Examples, np.ndarray]:
    """Tweets of one word each, a stem and an ending that makes it new, and each one's true probability.

    The stem decides how likely the tweet is liked; nothing else is known of a tweet.
    """
    random = np.random.default_rng(seed)
    stems, endings = letters(random, STEMS, 7), letters(random, TWEETS, 4)
    truth = 1 / (1 + np.exp(-random.normal(scale=2, size=STEMS)))
    stem = random.integers(0, STEMS, TWEETS)
    tweets = [
        Tweet(id=i + 1, created_ms=1_700_000_000_000, author_id=1, author="a", text=stems[stem[i]] + endings[i])
        for i in range(TWEETS)
    ]
    batch = Tokenizer().tokenize(tweets)
    records = tweet_records(tweets, batch)
    words = TweetWords.of(records, tweet_values(records, tweets, subwords_of(records, batch)), np.arange(TWEETS))
    text = Bags.from_lengths(np.full(TWEETS, 2), np.ascontiguousarray(records["keys"][:, :2]).reshape(-1))
    engaged = random.random(TWEETS) < truth[stem]
    liked, seen = (np.uint16(1 << ACTIONS.index(action)) for action in (Action.LIKE, Action.SEEN))
    features = FeatureColumns(
        viewer_row=np.zeros(TWEETS, np.int32),
        viewer_dense=np.full((1, len(VIEWER_DENSE)), MISSING),
        viewer_keys=dict.fromkeys(VIEWER_SIDE.fields, Bags.empty(1, np.uint64)),
        candidate_dense=np.full((TWEETS, len(CANDIDATE_DENSE)), MISSING),
        viewer_vectors=VIEWER_SIDE.zero_vectors(1),
        candidate_vectors=CANDIDATE_SIDE.zero_vectors(TWEETS),
        candidate_keys={
            **dict.fromkeys(TWEET_FIELDS, Bags.empty(TWEETS, np.uint64)),
            "text": text,
            "subwords": words.unadmitted(None),
        },
    )
    labels = np.where(engaged, liked | seen, seen).astype(np.uint16)
    first = np.zeros(TWEETS, np.int64)
    return examples_of(features, first, labels, positions=first.astype(np.uint16)), truth[stem]


def progressive_loss(examples: Examples) -> float:
    """Of the latest examples, each predicted before it was learned."""
    learner = Learner(SETTINGS)
    learner.learn([examples])
    logits = learner.progress.to_arrays()["logits"][-LATEST:]
    return log_loss(1 / (1 + np.exp(-logits)), labels_of(examples), np.ones(LATEST))


def labels_of(examples: Examples) -> np.ndarray:
    return engaged(examples.labels[-LATEST:])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_new_words_are_predicted_by_their_stem(seed):
    examples, truth = made_up(seed)
    none = {**examples.features.candidate_keys, "subwords": Bags.empty(TWEETS, np.uint64)}
    features = replace(examples.features, candidate_keys=none)
    with_subwords, without = progressive_loss(examples), progressive_loss(replace(examples, features=features))
    best = log_loss(truth[-LATEST:], labels_of(examples), np.ones(LATEST))
    assert without - with_subwords > 0.5 * (without - best)

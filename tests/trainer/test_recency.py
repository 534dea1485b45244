"""What an engagement still counts for, and the hour, are learned from: without them predictions are worse."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.bags import Bags, Keys
from contracts.columns import MISSING, FeatureColumns
from contracts.examples import Examples, engaged
from contracts.records import ACTIONS, Action
from contracts.settings import Settings, TrainerSettings, VocabSettings
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, VIEWER_DENSE, VIEWER_SIDE
from model.evaluation import log_loss
from tests.support.plain_examples import examples_of
from trainer.learner import Learner
from vocab.keys import keys_of_ids
from vocab.namespaces import Namespace

REQUESTS, SHOWN, LATEST = 3_000, 5, 5_000
AUTHORS, PAST = 30, 6  # PAST: engagements in a history
SETTINGS = Settings(
    vocab=VocabSettings.uniform(capacity=128, rare_slots=4_096),
    trainer=TrainerSettings(embedding_dim=8, batch_size=64, learning_rate=0.05),
)

Known = tuple[Examples, NDArray[np.float64]]  # and each one's true probability

pytestmark = pytest.mark.usefixtures("one_thread")


def _engaged(logit: NDArray[np.float64], random: np.random.Generator, features: FeatureColumns) -> Known:
    seen, liked = (np.uint16(1 << ACTIONS.index(action)) for action in (Action.SEEN, Action.LIKE))
    truth = 1 / (1 + np.exp(-logit))
    labels = np.where(random.random(len(truth)) < truth, seen | liked, seen).astype(np.uint16)
    none = np.zeros(len(truth), np.int64)
    return examples_of(features, none, labels, positions=none.astype(np.uint16)), truth


def _features(history: Keys, clock: NDArray[np.float32], author: NDArray[np.integer]) -> FeatureColumns:
    """SHOWN candidates a request, of which nothing but the author is known."""
    n = len(author)
    by = Bags.from_lengths(np.ones(n, np.int64), keys_of_ids(Namespace.AUTHOR, author.astype(np.uint64)))
    return FeatureColumns(
        viewer_row=np.repeat(np.arange(REQUESTS, dtype=np.int32), SHOWN),
        viewer_dense=np.full((REQUESTS, len(VIEWER_DENSE)), MISSING),
        viewer_keys={"viewer": Bags.empty(REQUESTS, np.uint64), "history": history},
        candidate_dense=np.full((n, len(CANDIDATE_DENSE)), MISSING),
        candidate_keys={**dict.fromkeys(CANDIDATE_SIDE.fields, Bags.empty(n, np.uint64)), "author": by},
        viewer_vectors={"clock": clock},
        candidate_vectors=CANDIDATE_SIDE.zero_vectors(n),
    )


def faded(seed: int) -> Known:
    """Viewers like what is by authors near to those that they engaged with lately, and have lost interest in others.

    Two engagements of a history are of the last hours, the others are weeks old.
    """
    random = np.random.default_rng(seed)
    topic = random.normal(size=(AUTHORS, 2))
    topic /= np.linalg.norm(topic, axis=1, keepdims=True)
    past, author = random.integers(0, AUTHORS, (REQUESTS, PAST)), random.integers(0, AUTHORS, REQUESTS * SHOWN)
    values = 1 / (1 + random.uniform(20, 60, (REQUESTS, PAST)))  # by age in days
    values[:, :2] = 1 / (1 + random.uniform(0, 0.3, (REQUESTS, 2)))
    taste = (values[:, :, None] * topic[past]).sum(axis=1)
    logit = 2 * (np.repeat(taste, SHOWN, axis=0) * topic[author]).sum(axis=1)
    keys = keys_of_ids(Namespace.AUTHOR, past.reshape(-1).astype(np.uint64))
    history = Bags.from_lengths(np.full(REQUESTS, PAST), keys, values.reshape(-1).astype(np.float32))
    clock = VIEWER_SIDE.zero_vectors(REQUESTS)["clock"]
    return _engaged(logit, random, _features(history, clock, author))


def by_hour(seed: int) -> Known:
    """Viewers engage around noon, whatever they are shown; nights are quiet."""
    random = np.random.default_rng(seed)
    turns = random.random((REQUESTS, 2)) * 2 * np.pi  # of the day and of the week
    clock = np.stack([np.sin(turns), np.cos(turns)], axis=2).reshape(-1, 4).astype(np.float32)
    logit = np.repeat(-2 * np.cos(turns[:, 0]), SHOWN)
    author = random.integers(0, AUTHORS, REQUESTS * SHOWN)
    return _engaged(logit, random, _features(Bags.empty(REQUESTS, np.uint64), clock, author))


def losses(examples: Examples, truth: NDArray[np.float64], without: FeatureColumns) -> tuple[float, float, float]:
    """Log-loss of the latest examples: of a learner, of one that gets the features `without`, and of the truth.

    A learner predicts each example before it learns from it.
    """
    labels, ones = engaged(examples.labels[-LATEST:]), np.ones(LATEST)
    found = [log_loss(truth[-LATEST:], labels, ones)]
    for features in (without, examples.features):
        learner = Learner(SETTINGS)
        learner.learn([replace(examples, features=features)])
        logits = learner.progress.to_arrays()["logits"][-LATEST:]
        found.append(log_loss(1 / (1 + np.exp(-logits)), labels, ones))
    best, blind, seeing = found
    return seeing, blind, best


@pytest.mark.parametrize("seed", range(2))
def test_recent_engagements_decide_where_older_ones_have_faded(seed: int) -> None:
    examples, truth = faded(seed)
    keys = examples.features.viewer_keys
    alike = {**keys, "history": replace(keys["history"], weights=None)}
    weighted, plain, best = losses(examples, truth, replace(examples.features, viewer_keys=alike))
    assert plain - weighted > 0.8 * (plain - best)


@pytest.mark.parametrize("seed", range(2))
def test_the_hour_is_learned_from_the_clock(seed: int) -> None:
    examples, truth = by_hour(seed)
    stopped = replace(examples.features, viewer_vectors=VIEWER_SIDE.zero_vectors(REQUESTS))
    running, blind, best = losses(examples, truth, stopped)
    assert blind - running > 0.8 * (blind - best)

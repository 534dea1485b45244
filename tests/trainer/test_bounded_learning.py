"""No example within its declared bounds spoils the weights; a model that diverges stops before it does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contracts.columns import MOST_MAGNITUDE
from contracts.examples import MOST_WEIGHT, Examples, serialize_examples
from contracts.records import ACTIONS, Action
from model.folder import digest
from model.snapshot import check_weights
from tests.support.trainer_world import World, small_settings, trained
from trainer.check_examples import read_examples
from trainer.learner import Diverged, Learner
from trainer.progressive_validation import Progress

pytestmark = pytest.mark.usefixtures("one_thread")

EXTREMES = st.sampled_from([-MOST_MAGNITUDE, -1e-30, 0.0, 1e-38, 1.0, MOST_MAGNITUDE])
WEIGHTS = st.sampled_from([0.0, 1e-45, 1.0, MOST_WEIGHT])


def _changed(examples: Examples, weight: float, of_key: float, of_vector: float) -> Examples:
    features = examples.features
    history = features.viewer_keys["history"]
    keys = replace(history, weights=np.full(len(history.ids), of_key, np.float32))
    vectors = {name: np.full_like(values, of_vector) for name, values in features.viewer_vectors.items()}
    changed = replace(features, viewer_keys=features.viewer_keys | {"history": keys}, viewer_vectors=vectors)
    return replace(examples, features=changed, weights=np.full(len(examples), weight, np.float32))


@given(st.lists(st.tuples(WEIGHTS, EXTREMES, EXTREMES), min_size=1, max_size=6))
@hypothesis_settings(deadline=None, max_examples=40)
def test_examples_at_the_edge_of_what_is_read_leave_weights_and_figures_that_can_be_published(
    drawn: list[tuple[float, float, float]],
) -> None:
    world, settings = World(), small_settings("", learning_rate=0.05)
    learner = trained(world, settings, 20)
    for weight, of_key, of_vector in drawn:
        examples = _changed(world.examples(8)[0], weight, of_key, of_vector)
        learner.learn([read_examples(serialize_examples(examples))])
    learner.progress.close()
    check_weights(learner.weights(), learner.config, "here")
    assert all(np.isfinite(array).all() for array in learner.optimizer().values())


def test_a_stretch_of_examples_without_weight_is_published_without_figures() -> None:
    world = World()
    learner = trained(world, small_settings(""), 200)
    assert learner.progress.close() is not None
    learner.learn([_changed(world.examples(20)[0], 0.0, 1.0, 1.0)])
    assert learner.progress.close() is None


def test_a_model_that_diverges_says_so_before_its_weights_are_no_numbers() -> None:
    world = World()
    learner = trained(world, small_settings("", learning_rate=1e9), 1)
    states: list[str] = []

    def learn_on() -> None:
        for _ in range(50):
            states.append(digest({**learner.weights(), **learner.optimizer()}))
            learner.learn([world.examples(6)[0]])

    with pytest.raises(Diverged, match=r"lower DRIFTLINE_TRAINER_LEARNING_RATE \(it is 1000000000"):
        learn_on()
    assert digest({**learner.weights(), **learner.optimizer()}) == states[-1]
    assert all(np.isfinite(array).all() for array in learner.weights().values())


def test_no_logit_that_is_not_a_number_comes_to_the_calibrator() -> None:
    """It would end in scikit-learn's error, at the publication after."""
    learner: Learner = trained(World(), small_settings(""), 10)
    learner._network.arrays()["bias"][:] = np.nan
    learner.progress = Progress()
    with pytest.raises(Diverged):
        learner.learn([World().examples(150)[0]])
    assert learner.progress.examples == 0


def test_labels_of_actions_that_do_not_exist_are_no_engagement() -> None:
    world = World()
    examples = world.examples(4)[0]
    unknown = np.uint16(0xFFFF ^ ((1 << len(ACTIONS)) - 1)) | np.uint16(1 << ACTIONS.index(Action.SEEN))
    learner = trained(world, small_settings(""), 10)
    learner.learn([replace(examples, labels=np.full(len(examples), unknown, np.uint16))])
    assert not learner.progress.to_arrays()["labels"][-len(examples) :].any()

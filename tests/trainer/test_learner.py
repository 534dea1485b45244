"""Learning: it finds the truth, it is a function of the examples, and no slot inherits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import ChainBroken
from contracts.examples import engaged
from contracts.settings import VocabSettings
from featurestore.encoding.encode import encode
from model.evaluation import log_loss
from model.folder import digest
from model.fresh import RARE_DOMAIN, fresh_region, fresh_rows
from tests.support.trainer_world import PLACES, WINDOWS, World, entropy, small_settings, trained, versions_of
from trainer.learner import Learner
from vocab.replica.vocabulary import FrozenVocabulary
from vocab.slot_layout import SlotLayout

NEWEST = WINDOWS[-1]

pytestmark = pytest.mark.usefixtures("one_thread")


def _state(learner: Learner) -> str:
    return digest({**learner.weights(), **learner.optimizer()})


@pytest.mark.slow
def test_log_loss_approaches_the_entropy_of_the_truth() -> None:
    world, settings = World(), small_settings("", learning_rate=0.05)
    learner = trained(world, settings, 6_000)
    examples, truth = world.examples(2_000)
    learner.learn([examples])
    logits = learner.progress.to_arrays()["logits"][-len(examples) :]
    labels, ones = engaged(examples.labels), np.ones(len(truth))
    loss = log_loss(1 / (1 + np.exp(-logits)), labels, ones)
    base = log_loss(np.full(len(truth), labels.mean()), labels, ones)
    assert base - entropy(truth) > 0.1
    best = log_loss(truth, labels, ones)  # of the same labels, so that their noise is in both
    assert loss - best < 0.02


def test_timelines_come_close_to_the_best_possible_order() -> None:
    """By the true probability of the first three places, between any order (0) and the best possible one (1)."""
    world, settings = World(), small_settings("", learning_rate=0.05)
    learner = trained(world, settings, 3_000)
    examples, truth = world.examples(500)
    logits = learner.predict(encode(examples.features, learner.vocabulary, learner.bins))
    by_request = truth.reshape(-1, PLACES)

    def top(scores: NDArray[np.floating]) -> float:
        order = np.argsort(-scores.reshape(-1, PLACES), axis=1)[:, :3]
        return float(np.take_along_axis(by_request, order, axis=1).mean())

    assert (top(logits) - truth.mean()) / (top(truth) - truth.mean()) > 0.9


def test_position_bias_is_learned_as_the_place_and_not_served() -> None:
    world, settings = World(), small_settings("", learning_rate=0.05)
    learner = trained(world, settings, 3_000)
    position_bias = learner.weights()["position_bias"]
    assert position_bias[9] - position_bias[0] < -0.2


def test_the_same_examples_give_the_same_bits() -> None:
    first, second = (trained(World(seed=3), small_settings(""), 300) for _ in range(2))
    assert _state(first) == _state(second)
    assert _state(first) != _state(trained(World(seed=4), small_settings(""), 300))


def test_prediction_comes_before_learning() -> None:
    world, settings = World(), small_settings("")
    learner, twin = trained(world, settings, 100), trained(World(), settings, 100)
    examples, _ = world.examples(6)
    expected = twin.predict(encode(examples.features, twin.vocabulary, twin.bins))
    learner.learn([examples])
    np.testing.assert_array_equal(learner.progress.to_arrays()["logits"][-60:], expected)


def test_only_touched_rows_change() -> None:
    world, settings = World(), small_settings("")
    learner = trained(world, settings, 100)
    before = {name: array.copy() for name, array in {**learner.weights(), **learner.optimizer()}.items()}
    examples, _ = world.examples(3)
    inputs = encode(examples.features, learner.vocabulary, learner.bins)
    touched = np.unique(
        np.concatenate([bags.ids for bags in (*inputs.viewer_slots.values(), *inputs.candidate_slots.values())])
    )
    learner.learn([examples])
    after = {**learner.weights(), **learner.optimizer()}
    for name in ("embedding", "linear", "embedding_moment", "linear_moment"):
        same = (before[name] == after[name]).reshape(len(before[name]), -1).all(axis=1)
        assert not same[touched].any()
        assert same[np.setdiff1d(np.arange(len(same)), touched)].all()


def test_rare_rows_are_fresh_from_the_start_and_admitted_rows_when_admitted() -> None:
    settings = small_settings("")
    learner = Learner(settings)
    rare = len(learner.vocabulary.layout.rare_rows)
    embedding = learner.weights()["embedding"]
    np.testing.assert_array_equal(embedding[:rare], fresh_region(rare, RARE_DOMAIN, 8, learner.config.init_scale))
    assert not embedding[rare:].any()
    versions = versions_of(World(), settings, learner)
    assert versions.reach(NEWEST)
    view, bins, edge_changes = versions.at(NEWEST)
    learner.move_to(view, bins, edge_changes)
    expected = fresh_rows(view.keys, view.generations, 8, learner.config.init_scale)
    np.testing.assert_array_equal(embedding[view.slots], expected)


def test_a_slot_given_away_inherits_nothing() -> None:
    world, settings = World(), small_settings("")
    learner = trained(world, settings, 300)
    view = learner.vocabulary
    heir = view.keys[100] ^ np.uint64(1)
    keys, generations = view.keys.copy(), view.generations.copy()
    keys[100], generations[100] = heir, 2
    generations[200] = 2  # the same key again, after it had lost its slot
    order = np.argsort(keys)
    newer = FrozenVocabulary(
        version=view.version + 1, sequence=view.sequence + 1, layout=view.layout,
        keys=keys[order], slots=view.slots[order], generations=generations[order],
    )  # fmt: skip
    before = {name: array.copy() for name, array in {**learner.weights(), **learner.optimizer()}.items()}
    learner.move_to(newer, learner.bins, [])
    after = {**learner.weights(), **learner.optimizer()}
    given = view.slots[[100, 200]]
    expected = fresh_rows(keys[[100, 200]], generations[[100, 200]], 8, learner.config.init_scale)
    np.testing.assert_array_equal(after["embedding"][given], expected)
    assert not after["linear"][given].any()
    pristine = Learner(settings).optimizer()
    for name in ("embedding_moment", "linear_moment"):
        assert (after[name][given] == pristine[name][given]).all()
        assert (np.delete(after[name], given) == np.delete(before[name], given)).all()


def test_restored_learners_go_on_bit_for_bit() -> None:
    settings = small_settings("")
    learner, again = trained(World(), settings, 200), Learner(settings)
    copies = [{k: v.copy() for k, v in arrays.items()} for arrays in (learner.weights(), learner.optimizer())]
    again.restore(*copies, learner.vocabulary, learner.bins)
    assert _state(again) == _state(learner)
    examples, _ = World(seed=5).examples(100)
    learner.learn([examples])
    again.learn([examples])
    assert _state(again) == _state(learner)


def test_the_table_grows_with_the_vocabulary_and_every_row_keeps_its_bits() -> None:
    world, settings = World(), small_settings("")
    learner = trained(world, settings, 100)
    view, larger = learner.vocabulary, VocabSettings.uniform(capacity=8_192, rare_slots=96)
    grown = FrozenVocabulary(
        version=view.version + 1, sequence=view.sequence + 1, layout=view.layout.changed(larger),
        keys=view.keys, slots=view.slots, generations=view.generations,
    )  # fmt: skip
    before = {name: array.copy() for name, array in {**learner.weights(), **learner.optimizer()}.items()}
    learner.move_to(grown, learner.bins, [])
    after = {**learner.weights(), **learner.optimizer()}
    for name, array in before.items():
        assert (after[name][: len(array)] == array).all()
    for name in ("embedding", "linear", "embedding_moment", "linear_moment"):
        assert len(after[name]) == learner.config.num_slots == grown.num_slots > view.num_slots
    rare = grown.layout.rare_rows[grown.layout.rare_rows >= view.num_slots]
    domain = np.full(len(rare), RARE_DOMAIN, np.uint64)
    expected = fresh_rows(rare.astype(np.uint64), domain, 8, learner.config.init_scale)
    np.testing.assert_array_equal(after["embedding"][rare], expected)
    learner.learn([world.examples(20)[0]])
    again = Learner(settings)
    copies = [{k: v.copy() for k, v in arrays.items()} for arrays in (learner.weights(), learner.optimizer())]
    again.restore(*copies, learner.vocabulary, learner.bins)
    assert again.config == learner.config
    assert _state(again) == _state(learner)


def test_a_vocabulary_with_other_rows_is_refused() -> None:
    learner = trained(World(), small_settings(""), 20)
    view = learner.vocabulary
    other = FrozenVocabulary(
        version=view.version + 1, sequence=1, layout=SlotLayout.of(VocabSettings.uniform(capacity=64, rare_slots=3)),
        keys=view.keys[:0], slots=view.slots[:0], generations=view.generations[:0],
    )  # fmt: skip
    with pytest.raises(ChainBroken, match="train anew"):
        learner.move_to(other, learner.bins, [])

"""A trainer that meets a vocabulary made of its own: rows follow their keys, and no key finds another's."""

import logging

import msgspec
import numpy as np
import pytest

from contracts.columnar import VocabDelta
from contracts.settings import Settings
from model.fresh import fresh_rows
from tests.support.trainer_world import START_MS, WINDOWS, World, small_settings
from trainer.learner import Learner
from trainer.trainer import Consumed, Trainer
from vocab.keys import shard_of
from vocab.namespaces import Namespace
from vocab.rules import configured
from vocab.slot_layout import SlotLayout

LAST = WINDOWS[-1]
WINDOW_MS = 60_000


def wider(settings: Settings, shards: int = 128) -> Settings:
    return msgspec.structs.replace(
        settings, vocab=msgspec.structs.replace(settings.vocab, name="wide", shards=shards)
    )


def made_of(world: World, settings: Settings, without: np.ndarray, version: int) -> list[VocabDelta]:
    """The first deltas of the new vocabulary: the world's keys, less some, and one that nobody knew."""
    vocab = settings.vocab
    keys = np.concatenate([world.viewer_keys, world.author_keys, world.word_keys, np.array([12345], np.uint64)])
    keys = np.sort(keys[~np.isin(keys, without)])
    layout, shards = SlotLayout.of(vocab), shard_of(keys, vocab.shards)
    deltas = []
    for shard in range(vocab.shards):
        mine = keys[shards == shard]
        deltas.append(
            VocabDelta(
                vocabulary=vocab.name,
                shard=shard,
                base_version=0,
                version=version,
                sequence=1,
                admitted_keys=mine,
                admitted_slots=layout.slots_of(Namespace.WORD, shard)[: len(mine)][::-1],
                admitted_generations=np.ones(len(mine), np.uint32),
                admitted_namespaces=np.zeros(len(mine), np.uint8),
                admitted_tokens=[""] * len(mine),
                evicted_keys=np.empty(0, np.uint64),
                evicted_slots=np.empty(0, np.int32),
                settings=configured(vocab, version, made_of="default"),
            )
        )
    return deltas


def feed(trainer: Trainer, world: World, deltas: list[VocabDelta]) -> None:
    for offset, delta in enumerate(deltas):
        trainer.versions.feed_vocabulary(0, offset, delta)
    for version in world.bins_log(WINDOWS):
        trainer.versions.feed_bins(version)


def rows_of(learner: Learner, keys: np.ndarray) -> list[np.ndarray]:
    """Everything that the table has learned of keys with a slot."""
    assert learner.vocabulary.is_admitted(keys).all()
    arrays = {**learner.weights(), **learner.optimizer()}
    names = ("embedding", "linear", "embedding_moment", "linear_moment")
    return [arrays[name][learner.vocabulary.lookup(keys)].copy() for name in names]


@pytest.fixture
def learned(tmp_path) -> tuple[World, Settings, Learner]:
    """A trainer of the former vocabulary that has published, as its learner then was."""
    world, settings = World(), small_settings(str(tmp_path))
    trainer = Trainer(settings)
    feed(trainer, world, world.vocabulary_log(settings, WINDOWS))
    trainer.observe(Consumed(0, 0, world.examples(40)[0]))
    assert trainer.learn()
    trainer.publish(START_MS)
    return world, settings, trainer.learner


def test_rows_follow_their_keys_and_new_keys_begin_fresh(learned, caplog):
    world, settings, former = learned
    # The former log stands before the new one's, and goes unread.
    with caplog.at_level(logging.INFO):
        trainer = Trainer(wider(settings))
    assert "vocabulary wide takes the place of default" in caplog.text
    gone = world.word_keys[:50]
    log = world.vocabulary_log(settings, WINDOWS) + made_of(world, trainer._settings, gone, LAST)
    feed(trainer, world, log)
    learner = trainer.learner
    # Examples of before the new vocabulary began are learned with its first version.
    trainer.observe(Consumed(0, 1, world.examples(40, START_MS - WINDOW_MS)[0]))
    before = former.examples_seen
    learn, step = learner.learn, []
    learner.learn = lambda parts: step.append((learner.vocabulary, rows_of(learner, kept), learn(parts)))
    kept = former.vocabulary.keys[~np.isin(former.vocabulary.keys, gone)]
    assert trainer.learn()
    ((vocabulary, rows, _),) = step
    assert (vocabulary.version, vocabulary.layout.shards) == (LAST, 128)
    for mine, theirs in zip(rows, rows_of(former, kept), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert learner.examples_seen > before
    assert not vocabulary.is_admitted(gone).any()


def test_what_no_key_had_is_fresh_and_rare_rows_stay(learned):
    world, settings, former = learned
    new = wider(settings)
    trainer = Trainer(new)
    newcomer = np.array([12345], np.uint64)
    feed(trainer, world, made_of(world, new, np.empty(0, np.uint64), LAST))
    assert trainer.versions.reach(LAST)
    view = trainer.versions.at(LAST)[0]
    learner = trainer.learner
    learner.follow_keys(view)
    expected = fresh_rows(newcomer, np.ones(1, np.uint32), learner.config.dim, learner.config.init_scale)
    arrays = learner.weights()
    (slot,) = view.lookup(newcomer)
    np.testing.assert_array_equal(arrays["embedding"][slot], expected[0])
    assert arrays["linear"][slot] == 0
    rare = view.layout.rare_rows
    np.testing.assert_array_equal(arrays["embedding"][rare], former.weights()["embedding"][rare])
    np.testing.assert_array_equal(
        learner.optimizer()["embedding_moment"][rare], former.optimizer()["embedding_moment"][rare]
    )
    unused = np.setdiff1d(np.arange(view.num_slots), np.concatenate([rare, view.slots]))
    assert not arrays["embedding"][unused].any()
    assert not arrays["linear"][unused].any()


def test_a_trainer_resumes_within_the_new_vocabulary_and_one_of_the_former_is_told(learned, caplog):
    world, settings, _ = learned
    new = wider(settings)
    trainer = Trainer(new)
    log = made_of(world, new, np.empty(0, np.uint64), LAST)
    feed(trainer, world, log)
    trainer.observe(Consumed(0, 1, world.examples(40)[0]))
    assert trainer.learn()
    trainer.publish(START_MS)
    again = Trainer(new)
    assert again.learner.vocabulary.layout.shards == 128
    assert again.delta_offsets == {0: len(log)}
    weights = trainer.learner.weights()
    for name, array in again.learner.weights().items():
        np.testing.assert_array_equal(array, weights[name])
    left_behind = Trainer(msgspec.structs.replace(settings, data_dir=settings.data_dir + "/other"))
    feed(left_behind, world, world.vocabulary_log(settings, WINDOWS) + log)
    assert f"vocabulary default ends at version {LAST}, of which wide was made: set vocab.name" in caplog.text
    assert left_behind.versions.reach(LAST)
    assert left_behind.versions.at(LAST)[0].layout.shards == 64

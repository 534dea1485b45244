"""Edges that change while learning: no jump of the progressive log-loss on data that does not change, and scorers
switch with the trainer.

Two learners see the same stationary examples. One keeps its edges. The other's change before every batch: each time
they are taken anew from a sample of 500 values, so they jitter as edges of a rolling window do. Losses are compared
example by example, on the batch right after each change, before it is learned from.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest

from contracts.examples import Examples
from contracts.records import BinsVersion
from featurestore.bins.edge_table import BIN_STRIDE, ORDINARY
from featurestore.bins.edges import cells, equal_mass_edges, holds_ranks
from featurestore.bins.replica import FrozenBins
from featurestore.encoding.encode import encode
from featurestore.features import NUMBER
from model.serving import Predictor
from model.snapshot import Snapshot
from tests.support.bin_samples import sketch_of
from tests.support.trainer_world import World, small_settings, snapshot_of, trained
from trainer.learner import Learner, Targets

NAME = "tweet.author_followers"
SETTINGS = small_settings("", batch_size=320)
WARM_UP, BATCHES, REQUESTS = 1_500, 80, 32
WORSE = 0.003  # nats an example: half a hundredth of the loss


def wide_world() -> World:
    return World(authors=2_500, words=50)


@dataclass
class EdgeChanges:
    """Changes edges as the owner of the bins does, from samples of the world's own distribution."""

    world: World
    tied: bool = False
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))

    def change(self, learner: Learner) -> tuple[FrozenBins, BinsVersion]:
        sketch = sketch_of(self.random.choice(self.world.followers, 500))
        version = learner.bins.version + 1
        before = learner.bins.edges[NUMBER[NAME]]
        edges = equal_mass_edges(sketch, int(self.random.integers(8, 17)) if self.tied else 16)
        mixed = {}
        if self.tied or not holds_ranks(edges, sketch):
            mixed = {NAME: cells(before, edges, sketch).tolist()}
        record = BinsVersion(
            base_version=version - 1, version=version, sequence=version, edges={NAME: edges.tolist()}, cells=mixed
        )
        return FrozenBins(version, {NUMBER[NAME]: edges}), record


def losses(learner: Learner, examples: Examples) -> np.ndarray:
    """float64[n]: what the learner's prediction of each example costs."""
    logits = learner.predict(encode(examples.features, learner.vocabulary, learner.bins)).astype(np.float64)
    labels = Targets.of([examples]).labels
    return np.logaddexp(0, np.where(labels > 0, -logits, logits))


def jumps(spoil=None, tied=False) -> np.ndarray:
    """float64[BATCHES]: how much worse the changing learner was on the batch right after each change, on average."""
    world = wide_world()
    changing = trained(world, SETTINGS, WARM_UP)
    steady = trained(wide_world(), SETTINGS, WARM_UP)
    changes, found = EdgeChanges(world, tied), []
    for _ in range(BATCHES):
        view, record = changes.change(changing)
        changing.move_to(changing.vocabulary, view, [record])
        if spoil is not None:
            spoil(changing)
        examples, _ = world.examples(REQUESTS)
        found.append((losses(changing, examples) - losses(steady, examples)).mean())
        changing.learn([examples])
        steady.learn([examples])
    return np.array(found)


def highest(found: np.ndarray) -> float:
    """The upper end of the 99.9% confidence interval of the mean (one-sided, normal: 80 batches)."""
    return float(found.mean() + 3.09 * found.std(ddof=1) / np.sqrt(len(found)))


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True], ids=["ranks", "masses"])
def test_rolls_on_stationary_data_leave_the_log_loss_where_it_was(tied):
    assert highest(jumps(tied=tied)) < WORSE


@pytest.mark.slow
def test_the_bound_would_show_rows_that_do_not_follow_their_bins():
    def shuffled(learner: Learner) -> None:
        rows = NUMBER[NAME] * BIN_STRIDE + ORDINARY + np.arange(16)
        order = np.random.default_rng(learner.bins.version).permutation(rows)
        for name in ("bin_embedding", "bin_linear"):
            learner.weights()[name][rows] = learner.weights()[name][order]

    assert jumps(shuffled).mean() > 2 * WORSE


def test_scorers_switch_with_the_trainer(tmp_path):
    """A snapshot's rows and edges are of one version, and it scores as the trainer that wrote it does."""
    world = wide_world()
    learner, changes = trained(world, SETTINGS, 300), EdgeChanges(world, tied=True)
    examples, _ = world.examples(20)
    edges = []
    for version in (1, 2):
        snapshot_of(learner, version).save(tmp_path / str(version))
        snapshot = Snapshot.load(tmp_path / str(version))
        assert snapshot.bins.version == snapshot.manifest.bins_version == learner.bins.version
        model = Predictor(snapshot)
        expected = learner.predict(encode(examples.features, learner.vocabulary, learner.bins))
        np.testing.assert_allclose(model.logits(examples.features), expected, atol=1e-4)
        edges.append(snapshot.bins.edges[NUMBER[NAME]].tolist())
        view, record = changes.change(learner)
        learner.move_to(learner.vocabulary, view, [record])
    assert edges[0] != edges[1]

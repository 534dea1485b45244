"""A model within its bounds and features within theirs have a finite score, whatever they are."""

import msgspec
import numpy as np
import pytest

from contracts.bags import Bags
from contracts.columns import MOST_KEYS, MOST_MAGNITUDE, FeatureColumns
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, VIEWER_DENSE, VIEWER_SIDE
from model.config import MOST_WIDTH
from model.serving import Predictor
from model.snapshot import MOST_WEIGHT, Snapshot
from tests.support.trainer_world import small_settings, snapshot_of
from trainer.learner import Learner


def _largest(sign: float, **config: object) -> Snapshot:
    """The snapshot of a model whose every weight is as large as may be."""
    learned = snapshot_of(Learner(small_settings("")))
    manifest = msgspec.structs.replace(
        learned.manifest, config=msgspec.structs.replace(learned.manifest.config, **config)
    )
    sizes = manifest.config
    shapes = {name: array.shape for name, array in learned.weights.items()} | {
        "embedding": (sizes.num_slots, sizes.dim),
        "bin_embedding": (sizes.bin_rows, sizes.bin_dim),
        "hidden1_weight": (sizes.hidden[0], sizes.interaction_width),
        "hidden1_bias": (sizes.hidden[0],),
        "hidden2_weight": (sizes.hidden[1], sizes.hidden[0]),
        "hidden2_bias": (sizes.hidden[1],),
        "output_weight": (sizes.hidden[1],),
        "cross_weights": (5 * sizes.dim,),
    }
    weights = {name: np.full(shape, MOST_WEIGHT, np.float32) for name, shape in shapes.items()}
    weights["output_weight"] *= np.float32(sign)
    return Snapshot(manifest, weights, learned.vocabulary, learned.bins, learned.calibrator)


def _full() -> FeatureColumns:
    """One candidate, its bags full of keys of the largest weight."""

    def side(fields: tuple[str, ...], weighted: tuple[str, ...]) -> dict[str, Bags[np.uint64]]:
        most = np.full(MOST_KEYS, MOST_MAGNITUDE, np.float32)
        bag = Bags.of_matrix(np.arange(MOST_KEYS, dtype=np.uint64)[None])
        return {field: Bags(bag.offsets, bag.ids, most if field in weighted else None) for field in fields}

    return FeatureColumns(
        viewer_row=np.zeros(1, np.int32),
        viewer_dense=np.zeros((1, len(VIEWER_DENSE)), np.float32),
        viewer_keys=side(VIEWER_SIDE.fields, VIEWER_SIDE.weighted),
        candidate_dense=np.zeros((1, len(CANDIDATE_DENSE)), np.float32),
        candidate_keys=side(CANDIDATE_SIDE.fields, CANDIDATE_SIDE.weighted),
        viewer_vectors={name: of + np.float32(MOST_MAGNITUDE) for name, of in VIEWER_SIDE.zero_vectors(1).items()},
        candidate_vectors=CANDIDATE_SIDE.zero_vectors(1),
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("width", [8, MOST_WIDTH])
def test_the_largest_weights_and_features_have_a_finite_score(sign: float, width: int) -> None:
    predictor = Predictor(_largest(sign, dim=width, hidden=(width, width)))
    assert np.isfinite(predictor.logits(_full())).all()
    (probability,) = predictor.score(_full()).tolist()
    assert 0 < probability <= 1
    assert (probability < 0.5) == (sign < 0)
    (reasons,) = predictor.explain(_full(), np.zeros(1, np.int64))
    assert all(np.isfinite(reason.log_odds) for reason in reasons)

"""A score's bits depend on viewer, candidate and snapshot alone; it is what training predicts; reasons are true."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from contracts.bags import Bags
from contracts.columns import MISSING, FeatureColumns
from featurestore.encoding.encode import encode
from featurestore.features import CANDIDATE_SIDE, VIEWER_SIDE
from model.calibration import Calibrator
from model.kernels.ranking import Weights
from model.kernels.ranking.reference import logits as reference_logits
from model.serving import Predictor
from model.snapshot import Snapshot
from tests.support.trainer_world import PLACES, World, small_settings, snapshot_of, trained
from trainer.learner import Learner

REQUESTS = 12

P = ParamSpec("P")
ResultT = TypeVar("ResultT")


class Inline:
    """No threads: the work is done where it is asked for."""

    def __init__(self) -> None:
        self.submitted = 0

    def submit(self, work: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs) -> Future[ResultT]:
        self.submitted += 1
        done: Future[ResultT] = Future()
        done.set_result(work(*args, **kwargs))
        return done

    def shutdown(self) -> None: ...


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def learner(world: World) -> Learner:
    return trained(world, small_settings(""), 300)


@pytest.fixture(scope="module")
def snapshot(learner: Learner) -> Snapshot:
    return snapshot_of(learner)


@pytest.fixture(scope="module")
def features(world: World) -> FeatureColumns:
    return world.examples(REQUESTS)[0].features


@pytest.fixture(scope="module", params=[1, 2])
def predictor(snapshot: Snapshot, request: pytest.FixtureRequest) -> Iterator[Predictor]:
    predictor = Predictor(snapshot, threads=request.param)
    yield predictor
    predictor.close()


def test_served_logits_are_what_training_predicts(learner: Learner, snapshot: Snapshot, world: World) -> None:
    features = world.examples(50)[0].features
    inputs = encode(features, learner.vocabulary, learner.bins)
    predictor = Predictor(snapshot)
    served = predictor.logits(features)
    np.testing.assert_allclose(served, learner.predict(inputs), rtol=1e-5, atol=1e-5)
    bags = inputs.viewer_slots | inputs.candidate_slots
    assert len(bags["history"].weights) == 50 * 3
    exact = reference_logits(
        inputs.viewer_row, inputs.viewer_bins, inputs.candidate_bins,
        *inputs.vector_matrices(), bags,
        Weights.from_arrays(snapshot.weights, snapshot.manifest.config),
    )  # fmt: skip
    np.testing.assert_allclose(served, exact, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(predictor.score(features), snapshot.calibrator.apply(served), rtol=1e-6)


def test_the_uncalibrated_model_serves_the_sigmoid(features: FeatureColumns, snapshot: Snapshot) -> None:
    plain = Predictor(
        Snapshot(
            snapshot.manifest,
            snapshot.weights,
            snapshot.vocabulary,
            snapshot.bins,
            Calibrator.identity(),
        )
    )
    expected = 1 / (1 + np.exp(-plain.logits(features).astype(np.float64)))
    np.testing.assert_allclose(plain.score(features), expected, rtol=1e-6)


@given(rows=st.lists(st.integers(0, REQUESTS * PLACES - 1), min_size=0, max_size=40))
@hypothesis_settings(deadline=None, max_examples=60)
def test_a_score_has_the_same_bits_in_any_batch(
    predictor: Predictor, snapshot: Snapshot, features: FeatureColumns, rows: list[int]
) -> None:
    whole = Predictor(snapshot).score(features)
    chosen = np.array(rows, np.int64)
    assert predictor.score(features.take(chosen)).tobytes() == whole[chosen].tobytes()


def test_a_score_has_the_same_bits_where_its_shares_are_done_without_threads(
    snapshot: Snapshot, features: FeatureColumns
) -> None:
    executor = Inline()
    predictor = Predictor(snapshot, 3, lambda threads, name: executor)
    assert predictor.score(features).tobytes() == Predictor(snapshot).score(features).tobytes()
    predictor.close()
    assert executor.submitted == 3


def test_a_score_has_the_same_bits_alone_and_among_others(
    predictor: Predictor, features: FeatureColumns, world: World
) -> None:
    whole = predictor.score(features)
    for row in range(0, len(features), 7):
        alone = _only(features, row)
        assert predictor.score(alone).tobytes() == whole[row : row + 1].tobytes()
    others = world.examples(3)[0].features
    assert predictor.score(FeatureColumns.concatenate([others, features]))[len(others) :].tobytes() == whole.tobytes()


def test_read_only_and_empty_inputs_are_scored(predictor: Predictor, features: FeatureColumns) -> None:
    whole = predictor.score(features)
    for bags in (*features.viewer_keys.values(), *features.candidate_keys.values()):
        bags.offsets.flags.writeable = bags.ids.flags.writeable = False
        if bags.weights is not None:
            bags.weights.flags.writeable = False
    for vectors in features.viewer_vectors.values():
        vectors.flags.writeable = False
    assert predictor.score(features).tobytes() == whole.tobytes()
    assert predictor.score(features.take(np.empty(0, np.int64))).shape == (0,)


def test_a_candidate_without_any_key_gets_a_finite_score(predictor: Predictor, features: FeatureColumns) -> None:
    bare = _only(features, 0)
    bare = replace(
        bare,
        viewer_dense=np.full_like(bare.viewer_dense, MISSING),
        viewer_keys=dict.fromkeys(bare.viewer_keys, Bags.empty(1, np.uint64)),
        viewer_vectors=VIEWER_SIDE.zero_vectors(1),
        candidate_dense=np.full_like(bare.candidate_dense, np.inf),
        candidate_keys=dict.fromkeys(bare.candidate_keys, Bags.empty(1, np.uint64)),
        candidate_vectors=CANDIDATE_SIDE.zero_vectors(1),
    )
    (probability,) = predictor.score(bare)
    assert 0 < probability < 1


def test_reasons_are_the_changes_of_the_log_odds(predictor: Predictor, features: FeatureColumns) -> None:
    rows = np.array([5, 0, 17])
    reasons = predictor.explain(features, rows, top=100)
    logits = predictor.logits(features).astype(np.float64)
    without = {
        "author": replace(
            features, candidate_keys={**features.candidate_keys, "author": Bags.empty(len(features), np.uint64)}
        ),
        "history": replace(
            features, viewer_keys={**features.viewer_keys, "history": Bags.empty(REQUESTS, np.uint64)}
        ),
        "clock": replace(features, viewer_vectors=VIEWER_SIDE.zero_vectors(REQUESTS)),
    }
    changed = {name: (logits - predictor.logits(of))[rows].tolist() for name, of in without.items()}
    for i, of_row in enumerate(reasons):
        found = {reason.feature: reason.log_odds for reason in of_row}
        assert {name: found[name] for name in without} == {name: of[i] for name, of in changed.items()}
        assert "tags" not in found
        sizes = [abs(reason.log_odds) for reason in of_row]
        assert sizes == sorted(sizes, reverse=True)


def test_three_reasons_are_given_and_none_for_no_rows(predictor: Predictor, features: FeatureColumns) -> None:
    assert [len(reasons) for reasons in predictor.explain(features, np.array([1, 2]))] == [3, 3]
    assert predictor.explain(features, np.empty(0, np.int64)) == []


def test_serving_imports_no_torch(snapshot: Snapshot, tmp_path: Path) -> None:
    snapshot.save(tmp_path / "1")
    program = (
        "import sys; from model.serving import Predictor; "
        f"Predictor.load({str(tmp_path / '1')!r}); assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def _only(features: FeatureColumns, row: int) -> FeatureColumns:
    """One candidate with its viewer and nothing else."""
    one = features.take(np.array([row]))
    return one.take_viewers(one.viewer_row, np.zeros(1, np.int32))

"""Ranking kernels, their reference and the training model are one function, wherever values and vectors come in."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bags import Bags, Rows
from model.config import ModelConfig
from model.kernels.bags import as_arrays
from model.kernels.bags import reference as bags_reference
from model.kernels.ranking import Weights, score_candidates, score_viewers
from model.kernels.ranking.reference import logits as reference_logits
from model.network import RankingModel

VIEWERS, CANDIDATES, SLOTS, BINS = 5, 23, 60, 40
OF_VIEWER, OF_CANDIDATE = ("viewer", "history"), ("text", "tags", "author", "subwords")


class Inputs:
    """Random ones. `weighted`: the fields that have values; the others have none."""

    def __init__(self, config: ModelConfig, weighted: set[str], seed: int) -> None:
        random = np.random.default_rng(seed)
        self.viewer_row = random.integers(0, VIEWERS, CANDIDATES).astype(np.int32)
        self.viewer_bins = random.integers(0, BINS, (VIEWERS, 3)).astype(np.int32)
        self.candidate_bins = random.integers(0, BINS, (CANDIDATES, 6)).astype(np.int32)
        self.viewer_vectors = _normal(random, VIEWERS, config.viewer_vector_width)
        self.candidate_vectors = _normal(random, CANDIDATES, config.candidate_vector_width)
        self.bags = {
            field: _bags(random, VIEWERS if field in OF_VIEWER else CANDIDATES, field in weighted)
            for field in (*OF_VIEWER, *OF_CANDIDATE)
        }


def _normal(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.normal(size=shape).astype(np.float32)


def _bags(random: np.random.Generator, n: int, weighted: bool) -> Rows:
    lengths = random.integers(0, 6, n)
    rows = random.integers(0, SLOTS, lengths.sum()).astype(np.int32)
    return Bags(np.concatenate([[0], np.cumsum(lengths)]), rows, _normal(random, len(rows)) if weighted else None)


def _arrays(config: ModelConfig, seed: int) -> dict[str, np.ndarray]:
    """Those of a snapshot."""
    random = np.random.default_rng(seed)
    network = RankingModel(config, seed).arrays()
    return {name: 0.3 * _normal(random, *array.shape) for name, array in network.items()} | {
        "embedding": _normal(random, SLOTS, config.dim),
        "linear": _normal(random, SLOTS),
        "bin_embedding": _normal(random, BINS, config.bin_dim),
        "bin_linear": _normal(random, BINS),
    }


def _served(inputs: Inputs, weights: Weights, cut: int) -> np.ndarray:
    """Logits, the candidates scored in two shares."""
    w = weights
    interaction = np.empty((VIEWERS, len(w.viewer_layer)), np.float32)
    hidden, first_order = np.empty((VIEWERS, w.hidden1_bias.size), np.float32), np.empty(VIEWERS, np.float32)
    of_viewer = [as_arrays(inputs.bags[field]) for field in OF_VIEWER]
    of_candidate = [as_arrays(inputs.bags[field]) for field in OF_CANDIDATE]
    score_viewers(inputs.viewer_bins, inputs.viewer_vectors, *of_viewer, w, interaction, hidden, first_order)
    logits, probabilities, no_knots = np.empty(CANDIDATES, np.float32), np.empty(CANDIDATES, np.float32), np.empty(0)
    for begin, end in ((0, cut), (cut, CANDIDATES)):
        score_candidates(
            begin, end, inputs.viewer_row, inputs.candidate_bins, inputs.candidate_vectors,
            *of_candidate,
            interaction, hidden, first_order, w, no_knots, no_knots, logits, probabilities,
        )  # fmt: skip
    return logits


def _trained(inputs: Inputs, arrays: dict[str, np.ndarray], config: ModelConfig) -> np.ndarray:
    """What the training model answers, its bags pooled by the reference."""
    network = RankingModel(config, 0)
    for name, parameter in network.arrays().items():
        parameter[:] = arrays[name]
    pooled, first_order = {}, {}
    bins = {
        "viewer_bins": Bags.of_matrix(inputs.viewer_bins),
        "candidate_bins": Bags.of_matrix(inputs.candidate_bins),
    }
    for name, of in {**inputs.bags, **bins}.items():
        prefix = "bin_" if name in bins else ""
        both = bags_reference.pool(of, arrays[prefix + "embedding"], arrays[prefix + "linear"])
        pooled[name], first_order[name] = (torch.from_numpy(array).float() for array in both)
    parts = pooled | {
        "viewer_vectors": torch.from_numpy(inputs.viewer_vectors),
        "candidate_vectors": torch.from_numpy(inputs.candidate_vectors),
    }
    viewer_first_order = sum(first_order[name] for name in (*OF_VIEWER, "viewer_bins"))
    candidate_first_order = sum(first_order[name] for name in (*OF_CANDIDATE, "candidate_bins"))
    viewer_row = torch.from_numpy(inputs.viewer_row.astype(np.int64))
    with torch.no_grad():
        return network(viewer_row, parts, viewer_first_order, candidate_first_order).numpy()


@pytest.mark.parametrize("widths", [(0, 0), (4, 0), (0, 3), (5, 1)])
@given(
    weighted=st.sets(st.sampled_from((*OF_VIEWER, *OF_CANDIDATE))),
    seed=st.integers(0, 100),
    cut=st.integers(0, CANDIDATES),
)
@settings(deadline=None, max_examples=25)
def test_serving_training_and_reference_agree(
    widths: tuple[int, int], weighted: set[str], seed: int, cut: int
) -> None:
    config = ModelConfig(
        num_slots=SLOTS, bin_rows=BINS, dim=6, bin_dim=3, hidden=(9, 4),
        viewer_vector_width=widths[0], candidate_vector_width=widths[1],
    )  # fmt: skip
    inputs, arrays = Inputs(config, weighted, seed), _arrays(config, seed)
    weights = Weights.from_arrays(arrays, config)
    served = _served(inputs, weights, cut)
    exact = reference_logits(
        inputs.viewer_row, inputs.viewer_bins, inputs.candidate_bins,
        inputs.viewer_vectors, inputs.candidate_vectors, inputs.bags, weights,
    )  # fmt: skip
    np.testing.assert_allclose(served, exact, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(_trained(inputs, arrays, config), exact, rtol=2e-5, atol=2e-5)
    assert served.tobytes() == _served(inputs, weights, 0).tobytes()
    inputs.bags = {field: Bags(of.offsets, of.ids, of.weights_or_ones()) for field, of in inputs.bags.items()}
    assert served.tobytes() == _served(inputs, weights, 0).tobytes()

"""The dense part of the ranking model in torch: from pooled bags to one logit.

    logit = bias + position bias + first-order sum + cross weights . crosses + MLP(interaction input)

The sparse part (tables, pooling and their updates) is outside, in `model/kernels/bags`: the pooled bags are the
leaves of autograd, and vectors are inputs that need no gradient. `cross_weights` weighs the viewer-candidate products
on their direct path to the logit, the term of a factorization machine. It starts at 1, so that tastes are learned
before the hidden layers can use the products.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from contracts.arrays import F32
from model.config import CANDIDATE_PARTS, CROSSES, VIEWER_PARTS, ModelConfig


class RankingModel(nn.Module):
    """Two hidden layers over the interaction input, plus the direct terms. `seed` alone decides how it begins."""

    def __init__(self, config: ModelConfig, seed: int) -> None:
        super().__init__()
        self.config = config
        random = np.random.Generator(np.random.PCG64(seed))
        first, second = config.hidden
        self.hidden1_weight = nn.Parameter(_he_uniform(random, first, config.interaction_width))
        self.hidden1_bias = nn.Parameter(torch.zeros(first))
        self.hidden2_weight = nn.Parameter(_he_uniform(random, second, first))
        self.hidden2_bias = nn.Parameter(torch.zeros(second))
        self.output_weight = nn.Parameter(torch.zeros(second))
        self.cross_weights = nn.Parameter(torch.ones(len(CROSSES) * config.dim))
        self.bias = nn.Parameter(torch.zeros(1))
        self.position_bias = nn.Parameter(torch.zeros(config.positions))

    def forward(
        self,
        viewer_row: Tensor,  # int64[n], rows of the m viewers
        inputs: Mapping[str, Tensor],  # `VIEWER_PARTS` float32[m, width], `CANDIDATE_PARTS` float32[n, width]
        viewer_first_order: Tensor,  # float32[m], sums of first-order weights
        candidate_first_order: Tensor,  # float32[n]
    ) -> Tensor:  # float32[n]
        """The logit that is served: every candidate as if it were shown in place 0."""
        viewer = {name: inputs[name].index_select(0, viewer_row) for name in VIEWER_PARTS}
        candidate = [inputs[name] for name in CANDIDATE_PARTS]
        crosses = torch.cat([viewer[left] * inputs[right] for left, right in CROSSES], dim=1)
        interaction = torch.cat([*viewer.values(), *candidate, crosses], dim=1)
        hidden = torch.relu(torch.addmm(self.hidden1_bias, interaction, self.hidden1_weight.t()))
        hidden = torch.relu(torch.addmm(self.hidden2_bias, hidden, self.hidden2_weight.t()))
        first_order = viewer_first_order.index_select(0, viewer_row) + candidate_first_order
        direct = first_order + torch.mv(crosses, self.cross_weights) + self.bias + self.position_bias[0]
        return direct + torch.mv(hidden, self.output_weight)

    def position_offset(self, positions: NDArray[np.integer]) -> Tensor:
        """float32[n]: what the places where candidates were shown add to the served logit.

        For training only: it keeps the effect of the place out of what is learned about viewer and tweet.
        """
        places = torch.from_numpy(np.minimum(positions.astype(np.int64), self.config.positions - 1))
        return self.position_bias.index_select(0, places) - self.position_bias[0]

    def arrays(self) -> dict[str, F32]:
        """Views of all parameters as numpy arrays, by name."""
        return {name: parameter.detach().numpy() for name, parameter in self.named_parameters()}


def _he_uniform(random: np.random.Generator, outputs: int, inputs: int) -> Tensor:
    bound = math.sqrt(3.0 / inputs)
    return torch.from_numpy(random.uniform(-bound, bound, (outputs, inputs)).astype(np.float32))

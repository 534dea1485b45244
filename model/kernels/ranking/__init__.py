"""All of serving after the encoding, fused: bags -> interaction input -> hidden layers -> logit -> calibrated
probability.

Each candidate is computed by itself, in one fixed order of accumulation, without `fastmath` and without matrix
products whose order could depend on the batch. So its score has the same bits in any batch, at any place in it, and
with any number of threads. The viewer's part is computed once per request.
"""

from model.kernels.ranking.numba_version import score_candidates, score_viewers
from model.kernels.ranking.weights import Weights

__all__ = ["Weights", "score_candidates", "score_viewers"]

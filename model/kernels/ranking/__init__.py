"""All of serving after the encoding, fused: bags -> interaction input -> hidden layers -> logit -> calibrated
probability.

Nothing of a candidate depends on its neighbours: it is computed alone, in one fixed order of accumulation, without
`fastmath` and without a matrix product whose order would depend on the batch. So its bits are the same in any batch,
in any place of it, and with any number of threads. The viewer's part is computed once a request.
"""

from model.kernels.ranking.numba_version import score_candidates, score_viewers
from model.kernels.ranking.weights import Weights

__all__ = ["Weights", "score_candidates", "score_viewers"]

"""The arrays of a model as the ranking kernels read them: float32, C-contiguous, first layer split in two."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32
from model.config import ModelConfig


class Weights(NamedTuple):
    """`h1`, `h2`: hidden sizes; V and C: widths of the interaction input's viewer part and of the rest.

    `viewer_layer` and `candidate_layer` are the first layer, a row per input, because the kernel adds it up row by
    row. `bias` is that of the logit plus that of place 0: every candidate is scored as if it were shown first.
    """

    embedding: F32  # [num_slots, dim]
    linear: F32  # [num_slots]
    bin_embedding: F32  # [bin_rows, bin_dim]
    bin_linear: F32  # [bin_rows]
    viewer_layer: F32  # [V, h1]
    candidate_layer: F32  # [C, h1]
    hidden1_bias: F32  # [h1]
    hidden2_layer: F32  # [h1, h2]
    hidden2_bias: F32  # [h2]
    output: F32  # [h2]
    cross_weights: F32  # [crosses * dim]
    bias: np.float32

    @staticmethod
    def from_arrays(arrays: dict[str, NDArray[Any]], config: ModelConfig) -> "Weights":
        """Of a snapshot's arrays, which have the names of the training model's parameters."""
        layer = np.ascontiguousarray(arrays["hidden1_weight"].T)
        return Weights(
            embedding=arrays["embedding"],
            linear=arrays["linear"],
            bin_embedding=arrays["bin_embedding"],
            bin_linear=arrays["bin_linear"],
            viewer_layer=np.ascontiguousarray(layer[: config.viewer_width]),
            candidate_layer=np.ascontiguousarray(layer[config.viewer_width :]),
            hidden1_bias=arrays["hidden1_bias"],
            hidden2_layer=np.ascontiguousarray(arrays["hidden2_weight"].T),
            hidden2_bias=arrays["hidden2_bias"],
            output=arrays["output_weight"],
            cross_weights=arrays["cross_weights"],
            bias=np.float32(arrays["bias"][0] + arrays["position_bias"][0]),
        )

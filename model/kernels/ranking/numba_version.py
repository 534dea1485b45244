"""Serving, compiled. Inner loops run over the outputs of a layer, so the compiler vectorizes them without reordering.

A viewer's row of `interaction`, float32[m, V], is: viewer [dim], history [dim], viewer bins [bin_dim], vectors.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from model.calibration import MOST_LOGIT

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_NO_WEIGHTS = np.empty(0, np.float32)  # of bins: each counts 1


@njit(cache=True, nogil=True, inline="always", boundscheck=False)
def _pool(begin: int, end: int, rows: Any, weights: Any, table: Any, linear: Any, out: Any, at: int) -> Any:
    """Pool the bag `rows[begin:end]` into `out[at:at + dim]`; returns its pooled first-order weight.

    Without weights it multiplies by 1, which changes no bit. A separate loop of plain sums made a candidate 6 %
    slower.
    """
    dim = table.shape[1]
    total = _ZERO
    for k in range(dim):
        out[at + k] = _ZERO
    weighted = weights.size > 0
    for j in range(begin, end):
        row = rows[j]
        weight = weights[j] if weighted else _ONE
        total += weight * linear[row]
        for k in range(dim):
            out[at + k] += weight * table[row, k]
    scale = _ONE / np.sqrt(np.float32(max(end - begin, 1)))
    for k in range(dim):
        out[at + k] *= scale
    return total * scale


@njit(cache=True, nogil=True, inline="always", boundscheck=False)
def _pool_bag(bags: Any, i: int, table: Any, linear: Any, out: Any, at: int) -> Any:
    """`_pool` of bag i."""
    return _pool(bags[0][i], bags[0][i + 1], bags[1], bags[2], table, linear, out, at)


@njit(cache=True, nogil=True, inline="always", boundscheck=False)
def _add_layer(values: Any, layer: Any, out: Any) -> None:
    """out[j] += sum over i of values[i] * layer[i, j], i ascending."""
    for i in range(layer.shape[0]):
        value = values[i]
        for j in range(layer.shape[1]):
            out[j] += value * layer[i, j]


@njit(cache=True, nogil=True, boundscheck=False)
def score_viewers(
    bins: Any,  # int32[m, features]
    vectors: Any,  # float32[m, width of all]
    viewer: Any,  # bags, as `as_arrays` of model/kernels/bags gives them
    history: Any,
    weights: Any,  # Weights
    interaction: Any,  # float32[m, V], filled
    hidden: Any,  # float32[m, h1], filled: the first layer before ReLU
    first_order: Any,  # float32[m], filled
) -> None:
    """The viewers' part of the interaction input, of the first layer and of the first-order sum."""
    w = weights
    dim, bin_dim = w.embedding.shape[1], w.bin_embedding.shape[1]
    for v in range(bins.shape[0]):
        row = interaction[v]
        total = _pool_bag(viewer, v, w.embedding, w.linear, row, 0)
        total += _pool_bag(history, v, w.embedding, w.linear, row, dim)
        total += _pool(0, bins.shape[1], bins[v], _NO_WEIGHTS, w.bin_embedding, w.bin_linear, row, 2 * dim)
        for k in range(vectors.shape[1]):
            row[2 * dim + bin_dim + k] = vectors[v, k]
        first_order[v] = total
        hidden[v, :] = w.hidden1_bias
        _add_layer(row, w.viewer_layer, hidden[v])


@njit(cache=True, nogil=True, boundscheck=False)
def score_candidates(
    begin: int,  # scores candidates begin to end of the batch: one thread's share
    end: int,
    viewer_row: Any,  # int32[n]
    bins: Any,  # int32[n, features]
    vectors: Any,  # float32[n, width of all]
    text: Any,  # bags, likewise
    tags: Any,
    author: Any,
    subwords: Any,
    viewer_interaction: Any,  # what score_viewers filled
    viewer_hidden: Any,
    viewer_first_order: Any,
    weights: Any,  # Weights
    knots: Any,  # float64[k], the calibrator's logits
    rates: Any,  # float64[k]
    logits: Any,  # float32[n], filled
    probabilities: Any,  # float32[n], filled
) -> None:
    """Logits and calibrated probabilities of candidates begin to end."""
    w = weights
    dim, bin_dim = w.embedding.shape[1], w.bin_embedding.shape[1]
    vectors_at = 4 * dim + bin_dim
    crosses = vectors_at + vectors.shape[1]
    x = np.empty(w.candidate_layer.shape[0], np.float32)
    hidden1 = np.empty(w.hidden1_bias.size, np.float32)
    hidden2 = np.empty(w.hidden2_bias.size, np.float32)
    for i in range(begin, end):
        v = viewer_row[i]
        total = viewer_first_order[v]
        total += _pool_bag(text, i, w.embedding, w.linear, x, 0)
        total += _pool_bag(tags, i, w.embedding, w.linear, x, dim)
        total += _pool_bag(author, i, w.embedding, w.linear, x, 2 * dim)
        total += _pool_bag(subwords, i, w.embedding, w.linear, x, 3 * dim)
        total += _pool(0, bins.shape[1], bins[i], _NO_WEIGHTS, w.bin_embedding, w.bin_linear, x, 4 * dim)
        for k in range(vectors.shape[1]):
            x[vectors_at + k] = vectors[i, k]
        crossed = _ZERO
        for k in range(dim):
            viewer, history = viewer_interaction[v, k], viewer_interaction[v, dim + k]
            words, topic, writer = x[k], x[dim + k], x[2 * dim + k]
            x[crosses + k] = viewer * writer
            x[crosses + dim + k] = viewer * words
            x[crosses + 2 * dim + k] = viewer * topic
            x[crosses + 3 * dim + k] = history * writer
            x[crosses + 4 * dim + k] = history * topic
        for k in range(5 * dim):
            crossed += x[crosses + k] * w.cross_weights[k]
        for j in range(hidden1.size):
            hidden1[j] = viewer_hidden[v, j]
        _add_layer(x, w.candidate_layer, hidden1)
        for j in range(hidden1.size):
            hidden1[j] = max(hidden1[j], _ZERO)
        for j in range(hidden2.size):
            hidden2[j] = w.hidden2_bias[j]
        _add_layer(hidden1, w.hidden2_layer, hidden2)
        logit = w.bias + total + crossed
        for j in range(hidden2.size):
            logit += max(hidden2[j], _ZERO) * w.output[j]
        logits[i] = logit
        probabilities[i] = _calibrate(np.float64(logit), knots, rates)


@njit(cache=True, nogil=True, boundscheck=False)
def _sigmoid(x: float) -> Any:
    small = math.exp(-abs(x))
    return 1.0 / (1.0 + small) if x >= 0.0 else small / (1.0 + small)


@njit(cache=True, nogil=True, boundscheck=False)
def _calibrate(x: float, knots: Any, rates: Any) -> Any:
    """As `model.calibration.Calibrator.apply`."""
    x = max(-MOST_LOGIT, min(x, MOST_LOGIT))
    last = knots.size - 1
    if last < 0:
        return _sigmoid(x)
    if x < knots[0]:
        return rates[0] * _sigmoid(x) / _sigmoid(knots[0])
    if x > knots[last]:
        return 1.0 - (1.0 - rates[last]) * _sigmoid(-x) / _sigmoid(-knots[last])
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if knots[middle] <= x:
            low = middle
        else:
            high = middle
    if high == low:
        return rates[low]
    return rates[low] + (rates[high] - rates[low]) * ((x - knots[low]) / (knots[high] - knots[low]))

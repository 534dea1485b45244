"""Bins, slow and obvious: counts value by value, edges from sorted values, trees by trying every split.

For tests and benchmarks. The fast versions must give the same result (counts, trees), or stay within the error that
they state (equal mass).
"""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from contracts.arrays import F32
from featurestore.bins.edges import Sketch
from featurestore.bins.sketch import BUCKET_BITS, bucket_of, smallest_in
from featurestore.bins.tree import information, price


def tally(dense: F32, rows: Iterable[int], numbers: Iterable[int]) -> list[tuple[int, int]]:
    """[(code, count)], ascending: what `Histogram.tally` gives."""
    counts: Counter[int] = Counter()
    columns = list(numbers)
    for row in rows:
        for column, number in enumerate(columns):
            bucket = int(bucket_of(dense[row, column : column + 1])[0])
            if bucket >= 0:
                counts[number << BUCKET_BITS | bucket] += 1
    return sorted(counts.items())


def grow(every: Sketch, positive: Sketch, bins: int, least: int) -> list[float]:
    """The result of `tree_edges`, by trying every possible cut of every leaf again for each new edge."""
    positives = dict(zip(positive.buckets.tolist(), positive.counts.tolist(), strict=True))
    rows = [(bucket, n, positives.get(bucket, 0)) for bucket, n in zip(*_lists(every), strict=True)]
    leaves = [rows] if rows else []
    while 0 < len(leaves) < bins:
        found = [
            (_gain(leaf, at, least), -place, -at) for place, leaf in enumerate(leaves) for at in range(1, len(leaf))
        ]
        gain, place, at = max(found, default=(0.0, 0, 0))
        if gain <= 0:
            break
        leaf = leaves[-place]
        leaves[-place : -place + 1] = [leaf[:-at], leaf[-at:]]
    begins = np.array([leaf[0][0] for leaf in leaves[1:]], np.int64)
    return [float(edge) for edge in smallest_in(begins)]


def _lists(sketch: Sketch) -> tuple[list[int], list[int]]:
    return sketch.buckets.tolist(), sketch.counts.tolist()


def _gain(leaf: list[tuple[int, int, int]], at: int, least: int) -> float:
    """The gain of a cut; 0 if it leaves too few values on a side, or does not pay for itself."""
    parts = leaf, leaf[:at], leaf[at:]
    n = np.array([[sum(row[1] for row in part)] for part in parts])
    p = np.array([[sum(row[2] for row in part)] for part in parts])
    h = information(n, p)
    classes = np.where((p > 0) & (p < n), 2.0, 1.0)
    gain = float((h[0] - h[1] - h[2])[0])
    pays = min(n[1, 0], n[2, 0]) >= least and gain > price(n.astype(np.float64), h, classes)[0]
    return gain if pays else 0.0

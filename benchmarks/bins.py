"""Speed and accuracy of the bins on one core: `python -m benchmarks.bins [--values N]`.

For each stream of values: values sketched per second, the largest rank error of 15 equal-mass edges against exact
quantiles of all values (a tie that covers the wanted rank is no error), and the bytes of a feature's sketch. The same
is measured in the same run for Apache DataSketches' KLL (not reproducible), ddsketch (plain Python, so on fewer
values), and NumPy's quantile (which keeps every value).

Limits: a core cannot read values from memory faster than `read`, nor add one to a count faster than `add`, which only
does a[i] += 1 over a table of 2^18 counts in cache. `a hop's batch` counts as the hops do. Last comes the work of an
owner on a rolling window's sketch.
"""

import argparse
from collections.abc import Callable
from time import process_time
from typing import Any, Literal

import numpy as np
from datasketches import kll_floats_sketch
from ddsketch import DDSketch
from numba import njit
from numpy.typing import NDArray

from contracts.arrays import F32
from featurestore.bins.edges import Sketch, equal_mass_edges, ks_distance
from featurestore.bins.histogram import Histogram
from featurestore.bins.sketch import BUCKET_BITS
from featurestore.bins.tree import tree_edges

BINS = 16
RANKS = np.arange(1, BINS) / BINS
SLOW = 100_000  # values for methods that take microseconds per value
REPEATS = 3
SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
KLL_K = {"KLL, k = 200": 200, "KLL, k = 4096": 4096}  # the default, and one with an error like ours

STREAMS: dict[str, Callable[[np.random.Generator, int], NDArray[Any]]] = {
    "followers (lognormal)": lambda rng, n: rng.lognormal(5, 2.5, n),
    "counts (geometric, ties)": lambda rng, n: rng.geometric(0.05, n),
    "heavy tail (Pareto 0.5)": lambda rng, n: rng.pareto(0.5, n) + 1,
    "both signs (normal)": lambda rng, n: rng.normal(size=n),
    "drifting (lognormal)": lambda rng, n: np.exp(rng.normal(np.linspace(0, 8, n), 1)),
    "narrow (uniform 1000 to 1100)": lambda rng, n: rng.uniform(1000, 1100, n),
    "constant": lambda rng, n: np.full(n, 7.25),
}


@njit(cache=True, nogil=True, boundscheck=False)
def add_ones(places: Any, table: Any) -> None:
    """table[places[i]] += 1."""
    for place in places:
        table[place] += 1


def main() -> None:
    """Print a table per stream, the limits, and the owner's work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=10_000_000)
    n = parser.parse_args().values
    histogram = Histogram()
    histogram.tally(np.ones((2, 1), np.float32), np.arange(2), np.array([0]))  # compiles
    print(f"{n:,} values a stream, {BINS} bins; million values/s of one core, rank error in %, bytes a feature")
    for name, make in STREAMS.items():
        values = make(np.random.default_rng(1), n).astype(np.float32)
        print(f"\n{name:<30}{'M values/s':>12}{'rank error':>12}{'bytes':>12}")
        _ours(histogram, values)
        for label, k in KLL_K.items():
            _kll(label, k, values)
        _ddsketch(values[:SLOW] if name != "drifting (lognormal)" else values[:: n // SLOW])
        seconds, exact = best(lambda values=values: np.quantile(values, RANKS))
        _row("NumPy's quantile", n / seconds, _rank_error(values, exact), values.nbytes)
    _limits(histogram, n)
    _edges(histogram)


def best(work: Callable[[], Any]) -> tuple[float, Any]:
    """(CPU seconds of the fastest of `REPEATS` runs, its result)."""
    fastest, result = np.inf, None
    for _ in range(REPEATS):
        begin = process_time()
        result = work()
        fastest = min(fastest, process_time() - begin)
    return fastest, result


def _row(label: str, rate: float, error: float, size: int) -> None:
    print(f"{label:<30}{rate / 1e6:>12.2f}{error:>11.4%} {size:>11,}")


def _rank_error(values: F32, edges: NDArray[Any]) -> float:
    """The largest distance between the ranks of the edges and the wanted ranks. Within a tie all ranks are equal."""
    ordered = np.sort(values)
    wanted = ordered[np.ceil(RANKS * len(values)).astype(np.int64) - 1]
    (low, high), (from_, to) = (_ranks(ordered, found) for found in (np.asarray(edges, np.float32), wanted))
    return float(np.maximum(np.maximum(low - to, from_ - high), 0).max())


def _ranks(ordered: F32, found: F32) -> tuple[NDArray[Any], NDArray[Any]]:
    low, high = (np.searchsorted(ordered, found, side=side) / len(ordered) for side in SIDES)
    return low, high


def _ours(histogram: Histogram, values: F32) -> None:
    rows, block = np.arange(len(values)), values[:, None]
    seconds, (codes, counts) = best(lambda: histogram.tally(block, rows, np.array([0])))
    sketch = Sketch.ordinary(codes & ((1 << BUCKET_BITS) - 1), counts)
    edges = equal_mass_edges(sketch, BINS)
    # If ties take several ranks, there are fewer edges than ranks; the lowest and the highest value complete them.
    edges = np.concatenate([[values.min()], edges, [values.max()]])
    shares = sketch.below(edges.astype(np.float32)) / sketch.total
    nearest = edges[np.abs(shares[None, :] - RANKS[:, None]).argmin(axis=1)]
    _row("here", len(values) / seconds, _rank_error(values, nearest), 10 * len(codes))


def _kll(label: str, k: int, values: F32) -> None:
    def sketch() -> kll_floats_sketch:
        made = kll_floats_sketch(k)
        made.update(values)
        return made

    seconds, made = best(sketch)
    _row(label, len(values) / seconds, _rank_error(values, made.get_quantiles(RANKS)), len(made.serialize()))


def _ddsketch(values: F32) -> None:
    def sketch() -> DDSketch:
        made = DDSketch(0.001)  # relative accuracy: buckets as wide as ours
        for value in listed:
            made.add(value)
        return made

    listed = values.tolist()
    seconds, made = best(sketch)
    size = 8 * sum(len(store.bins) for store in (made._store, made._negative_store))
    edges = np.array([made.get_quantile_value(rank) for rank in RANKS])
    _row("ddsketch, 0.1 %", len(listed) / seconds, _rank_error(values, edges), size)


def _limits(histogram: Histogram, n: int) -> None:
    values = np.random.default_rng(1).lognormal(5, 2.5, n).astype(np.float32)
    places = (values.view(np.uint32) >> np.uint32(32 - BUCKET_BITS)).astype(np.int32)
    table = np.zeros(1 << BUCKET_BITS, np.int32)
    add_ones(places[:1], table)
    read, _ = best(lambda: values.view(np.uint64).sum())
    add, _ = best(lambda: add_ones(places, table))
    print(f"\nlimits: read {n / read / 1e6:,.0f} million values/s, add {n / add / 1e6:,.0f} million/s")
    block, rows = values[:110_000].reshape(5_000, 22), np.arange(5_000)
    batch, _ = best(lambda: [histogram.tally(block, rows, np.arange(22)) for _ in range(20)])
    print(f"a hop's batch, 5,000 rows of 22 features: {20 * block.size / batch / 1e6:,.0f} million values/s")


def _edges(histogram: Histogram) -> None:
    """The edges of a rolling window's sketch, which an owner computes once per window and feature."""
    random = np.random.default_rng(2)
    values = random.lognormal(5, 2.5, (2, 1_000_000)).astype(np.float32)
    engaged = random.random(1_000_000) < 0.1 + 0.2 * (values[0] > 150)
    one, other, positive = (
        Sketch.ordinary(codes, counts)
        for codes, counts in (
            histogram.tally(part[:, None], np.arange(len(part)), np.array([0]))
            for part in (values[0], values[1], values[0][engaged])
        )
    )
    print(f"\n{'of 1,000,000 values in ' + format(len(one.buckets), ',') + ' buckets':<40}{'us':>10}{'edges/s':>14}")
    least = one.total // 50
    for label, work in (
        ("equal-mass edges", lambda: equal_mass_edges(one, BINS)),
        ("how far two windows lie apart", lambda: ks_distance(one, other)),
        ("a decision tree's edges", lambda: tree_edges(one, positive, BINS, least)),
    ):
        seconds, result = best(lambda work=work: [work() for _ in range(20)][-1])
        rate = f"{len(result) * 20 / seconds:>14,.0f}" if isinstance(result, np.ndarray) else ""
        print(f"{label:<40}{seconds / 20 * 1e6:>10,.0f}{rate}")


if __name__ == "__main__":
    main()

"""Equal-mass edges against exact quantiles of all values, in float64; how far two sketches lie apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.columns import MISSING
from featurestore.bins.edges import cells, equal_mass_edges, holds_ranks, ks_distance
from featurestore.bins.sketch import ZERO, bucket_of, smallest_in
from tests.support.bin_samples import STREAMS, sketch_of

BINS = 16
counts = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def ordinary(values):
    """As float32, without what is counted as zero."""
    values = values.astype(np.float32)
    return values[bucket_of(values) != ZERO]


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("seed", range(3))
def test_edges_lie_within_half_a_bucket_of_exact_quantiles(stream, seed):
    """Each wanted rank has an edge whose mass below is off by at most half of what the exact quantile's bucket holds,
    or it lies that near to an end of all values, where an edge would cut off nothing."""
    values = ordinary(STREAMS[stream](np.random.default_rng(seed)))
    edges = equal_mass_edges(sketch_of(values), BINS)
    below = np.array([0, *((values < edge).sum() for edge in edges), len(values)])
    buckets = bucket_of(values)
    for share in np.arange(1, BINS) / BINS:
        exact = np.float32(np.quantile(values.astype(np.float64), share, method="inverted_cdf"))
        widest = (buckets == bucket_of(np.array([exact]))[0]).sum()
        assert np.abs(below - share * len(values)).min() <= widest / 2 + 1e-6
    assert (np.diff(below) > 0).all()  # no bin is empty, none is there twice


@pytest.mark.parametrize("stream", STREAMS)
def test_bins_hold_equal_mass_but_for_what_one_bucket_holds(stream):
    values = ordinary(STREAMS[stream](np.random.default_rng(1)))
    edges = equal_mass_edges(sketch_of(values), BINS)
    masses = sketch_of(values).masses(edges)
    assert masses.tolist() == np.bincount(np.searchsorted(edges, values, side="right")).tolist()
    widest = np.unique(bucket_of(values), return_counts=True)[1].max()
    if len(edges) == BINS - 1:
        assert np.abs(masses - len(values) / BINS).max() <= widest + 1e-6
    else:
        assert (
            widest >= len(values) / BINS / 2
        )  # ranks fall together only where a bucket holds more than half a share
    assert masses.max() <= max(widest, len(values) / BINS) + widest


@pytest.mark.parametrize(
    ("stream", "error"), [("uniform", 0.0025), ("drifting", 0.001), ("heavy-tailed", 0.001), ("mixed signs", 0.001)]
)
def test_ranks_are_off_by_less_than_a_tenth_of_a_percent_where_values_spread(stream, error):
    values = STREAMS[stream](np.random.default_rng(1)).astype(np.float32)
    edges = equal_mass_edges(sketch_of(values), BINS)
    ranks = np.array([(values < edge).mean() for edge in edges])
    assert np.abs(ranks - np.arange(1, BINS) / BINS).max() <= error


def test_ties_collapse_and_a_constant_has_no_edges():
    assert equal_mass_edges(sketch_of([7.0] * 1_000), BINS).tolist() == []
    tied = equal_mass_edges(sketch_of([1.0] * 900 + [2.0] * 50 + [3.0] * 50), BINS)
    assert tied.tolist() == [2.0, 3.0]
    assert equal_mass_edges(sketch_of([]), BINS).tolist() == []
    assert equal_mass_edges(sketch_of([0.0, np.inf, -np.inf, np.nan, MISSING]), BINS).tolist() == []


@settings(deadline=None)
@given(counts, counts)
def test_ks_distance_is_the_largest_difference_of_shares(one, other):
    one_f, other_f = np.array(one, np.float32), np.array(other, np.float32)
    exact = max(abs((one_f <= x).mean() - (other_f <= x).mean()) for x in range(41))
    assert ks_distance(sketch_of(one_f), sketch_of(other_f)) == pytest.approx(exact)


def test_ks_distance_of_nothing():
    assert ks_distance(sketch_of([]), sketch_of([])) == 0
    assert ks_distance(sketch_of([]), sketch_of([1.0])) == 1


@settings(deadline=None)
@given(counts, counts, counts)
def test_cells_add_up_to_the_bins_of_either(values, one, other):
    sketch = sketch_of(values)
    before, after = (np.unique(np.array(edges, np.float32)) for edges in (one, other))
    between, cuts = cells(before, after, sketch), np.union1d(before, after)
    assert between.sum() == len(values)
    for edges in (before, after):
        bins = np.searchsorted(edges, np.concatenate([[-np.inf], cuts]), side="right")
        assert np.bincount(bins, between, minlength=len(edges) + 1).tolist() == sketch.masses(edges).tolist()


def test_ranks_hold_where_shares_are_even_and_not_where_values_are_tied():
    spread = sketch_of(np.random.default_rng(1).lognormal(size=10_000))
    assert holds_ranks(equal_mass_edges(spread, BINS), spread)
    tied = sketch_of([1.0] * 900 + [2.0] * 50 + [3.0] * 50)
    assert not holds_ranks(equal_mass_edges(tied, BINS), tied)
    assert holds_ranks(np.empty(0, np.float32), tied)  # one bin holds all


def test_zero_shares_its_bucket_with_the_smallest_subnormals_alone():
    smallest = smallest_in(np.array([ZERO + 1]))[0]
    assert 0 < smallest < 2.3e-41
    assert bucket_of(np.array([np.nextafter(smallest, np.float32(0))]))[0] == ZERO
    assert bucket_of(-np.array([1e-45], np.float32))[0] == ZERO - 1

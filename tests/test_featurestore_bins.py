"""Buckets, edges and bins: order kept, equal mass, every float32 in exactly one bin."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ChainBroken, SettingsError, SnapshotInvalid, VersionNotReached, VersionRetired
from contracts.records import BinsVersion
from featurestore import bins as bins_module
from featurestore.bin_edges import Sketch, equal_mass_edges, ks_distance
from featurestore.bin_sketch import BUCKET_BITS, ZERO, bucket_of, smallest_in
from featurestore.bins import Bins, BinsView, check_bins
from featurestore.edge_table import MAX_BINS
from featurestore.features import CONTINUOUS, NUMBER

floats = st.floats(width=32)
edge_lists = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=20).map(
    lambda values: sorted({np.float32(v + 0.0) for v in values})
)


def sketch_of(values) -> Sketch:
    buckets, counts = np.unique(bucket_of(np.asarray(values, np.float32)).astype(np.int64), return_counts=True)
    return Sketch.ordinary(buckets, counts.astype(np.int64))


@settings(deadline=None)
@given(st.lists(floats, min_size=2, max_size=50))
def test_buckets_ascend_as_values_do(values):
    ordered = np.array(sorted(v for v in values if not math.isnan(v)), np.float32)
    assert (np.diff(bucket_of(ordered)) >= 0).all()
    finite = ordered[np.isfinite(ordered)]
    assert (smallest_in(bucket_of(finite)) <= finite).all()


def test_zero_has_one_bucket_and_missing_has_none():
    assert bucket_of(np.array([0.0, -0.0, np.nan], np.float32)).tolist() == [ZERO, ZERO, -1]
    assert bucket_of(np.array([np.inf], np.float32))[0] < 1 << BUCKET_BITS


def test_a_bucket_is_at_most_a_fifth_of_a_percent_wide():
    values = np.geomspace(1e-30, 1e30, 10_000).astype(np.float32)
    begins, ends = smallest_in(bucket_of(values)), smallest_in(bucket_of(values) + 1)
    assert (ends / begins - 1 < 0.002).all()


STREAMS = {
    "uniform": lambda rng: rng.uniform(1, 2, 20_000),
    "heavy-tailed": lambda rng: rng.pareto(0.5, 20_000) + 1,
    "negative": lambda rng: rng.normal(-5, 3, 20_000),
    "tiny": lambda rng: rng.exponential(1e-38, 20_000),
    "mixed signs": lambda rng: rng.standard_cauchy(20_000),
}


@pytest.mark.parametrize("stream", STREAMS)
def test_bins_hold_equal_mass(stream):
    values = STREAMS[stream](np.random.default_rng(1)).astype(np.float32)
    values = values[values != 0]
    edges = equal_mass_edges(sketch_of(values), 16)
    mass = np.bincount(np.searchsorted(edges, values, side="right"), minlength=16) / len(values)
    # A boundary is off by at most half of the mass of the bucket that holds it.
    widest = np.unique(bucket_of(values), return_counts=True)[1].max() / len(values)
    assert np.abs(mass - 1 / 16).max() <= widest + 1e-9


def test_ties_collapse_and_a_constant_has_no_edges():
    assert equal_mass_edges(sketch_of([7.0] * 1_000), 16).tolist() == []
    tied = equal_mass_edges(sketch_of([1.0] * 900 + [2.0] * 50 + [3.0] * 50), 16)
    assert tied.tolist() == [2.0, 3.0]
    assert equal_mass_edges(sketch_of([]), 16).tolist() == []
    assert equal_mass_edges(sketch_of([0.0, np.inf, -np.inf, np.nan]), 16).tolist() == []


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_ks_distance_is_the_largest_difference_of_shares(one, other):
    one_f, other_f = np.array(one, np.float32), np.array(other, np.float32)
    exact = max(abs((one_f <= x).mean() - (other_f <= x).mean()) for x in range(41))
    assert ks_distance(sketch_of(one_f), sketch_of(other_f)) == pytest.approx(exact)


def record(sequence, base, version, **edges):
    return BinsVersion(base_version=base, version=version, sequence=sequence, edges=edges)


def test_a_reader_follows_the_chain_and_answers_old_versions():
    bins = Bins()
    assert bins.at(0).edges == {}
    bins.apply(record(1, 0, 100, age_s=[1.0, 2.0]))
    bins.apply(record(2, 100, 101))
    bins.apply(record(3, 101, 105, age_s=[3.0], media=[1.0]))
    assert bins.complete_through == 105
    assert bins.at(104).version == 101
    assert bins.at(100).edges[NUMBER["age_s"]].tolist() == [1.0, 2.0]
    assert bins.at(101).edges[NUMBER["age_s"]].tolist() == [1.0, 2.0]
    assert bins.at(105).edges[NUMBER["age_s"]].tolist() == [3.0]
    with pytest.raises(VersionNotReached):
        bins.at(106)


def test_a_reader_goes_on_from_a_view():
    bins = Bins()
    bins.apply(record(1, 0, 100, age_s=[1.0, 2.0]))
    bins.apply(record(2, 100, 101))
    later = Bins(BinsView.from_arrays(bins.at(101).to_arrays()))
    later.apply(record(3, 101, 102, media=[1.0]))
    assert later.at(102).edges[NUMBER["age_s"]].tolist() == [1.0, 2.0]
    with pytest.raises(VersionRetired):
        later.at(100)


@pytest.mark.parametrize(
    "broken", [record(3, 101, 102), record(2, 99, 102), record(1, 0, 100), record(2, 100, 101, no_such_feature=[1.0])]
)
def test_a_gap_a_repeat_or_an_unknown_feature_is_refused(broken):
    bins = Bins()
    bins.apply(record(1, 0, 100))
    with pytest.raises(ChainBroken):
        bins.apply(broken)
    assert bins.complete_through == 100


def test_retired_versions_say_so(monkeypatch):
    monkeypatch.setattr(bins_module, "RETAINED", 2)
    bins = Bins()
    for i in range(3):
        bins.apply(record(i + 1, i, i + 1))
    with pytest.raises(VersionRetired):
        bins.at(1)


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, len(CONTINUOUS) - 1), edge_lists, max_size=5))
def test_a_view_survives_its_arrays(edges):
    view = BinsView(7, {number: np.array(values, np.float32) for number, values in edges.items()}, 3)
    back = BinsView.from_arrays(view.to_arrays())
    assert (back.version, back.sequence) == (7, 3)
    assert {n: e.tolist() for n, e in back.edges.items()} == {n: e.tolist() for n, e in view.edges.items()}


def test_damaged_arrays_are_refused():
    arrays = BinsView(7, {0: np.array([1.0, 2.0], np.float32)}).to_arrays()
    for damaged in ({**arrays, "lengths": np.array([3])}, {**arrays, "features": np.array([999])}, {}):
        with pytest.raises(SnapshotInvalid):
            BinsView.from_arrays(damaged)


def test_more_bins_than_a_feature_has_rows_are_refused():
    check_bins(MAX_BINS)
    for bins in (0, MAX_BINS + 1):
        with pytest.raises(SettingsError):
            check_bins(bins)

"""Buckets, edges and bins: order kept, equal mass, every float32 in exactly one bin."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.columns import MISSING
from contracts.errors import ChainBroken, SettingsError, SnapshotInvalid, VersionNotReached, VersionRetired
from contracts.records import BinsVersion
from featurestore.bins import replica as bins_module
from featurestore.bins.edge_table import MAX_BINS
from featurestore.bins.replica import Bins, FrozenBins, check_bins
from featurestore.bins.sketch import BUCKET_BITS, ZERO, bucket_of, smallest_in
from featurestore.features import CONTINUOUS, NUMBER

floats = st.floats(width=32)
edge_lists = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=20).map(
    lambda values: sorted({np.float32(v + 0.0) for v in values})
)


@settings(deadline=None)
@given(st.lists(floats, min_size=2, max_size=50))
def test_buckets_ascend_as_values_do(values):
    ordered = np.array(sorted(v for v in values if not math.isnan(v)), np.float32)
    assert (np.diff(bucket_of(ordered)) >= 0).all()
    finite = ordered[np.isfinite(ordered)]
    assert (smallest_in(bucket_of(finite)) <= finite).all()


def test_zero_has_one_bucket_and_missing_and_nan_have_none():
    assert bucket_of(np.array([0.0, -0.0, MISSING, np.nan], np.float32)).tolist() == [ZERO, ZERO, -1, -1]
    assert bucket_of(np.array([np.inf], np.float32))[0] < 1 << BUCKET_BITS


def test_a_bucket_is_at_most_a_fifth_of_a_percent_wide():
    values = np.geomspace(1e-30, 1e30, 10_000).astype(np.float32)
    begins, ends = smallest_in(bucket_of(values)), smallest_in(bucket_of(values) + 1)
    assert (ends / begins - 1 < 0.002).all()


def record(sequence, base, version, **edges):
    """A version with edges of features of tweets, by their names without the entity."""
    of_tweets = {f"tweet.{name}": of for name, of in edges.items()}
    return BinsVersion(base_version=base, version=version, sequence=sequence, edges=of_tweets, cells={})


def test_a_reader_follows_the_chain_and_answers_old_versions():
    bins = Bins()
    assert bins.at(0).edges == {}
    bins.apply(record(1, 0, 100, age_s=[1.0, 2.0]))
    bins.apply(record(2, 100, 101))
    bins.apply(record(3, 101, 105, age_s=[3.0], media=[1.0]))
    assert bins.complete_through == 105
    assert bins.at(104).version == 101
    assert bins.at(100).edges[NUMBER["tweet.age_s"]].tolist() == [1.0, 2.0]
    assert bins.at(101).edges[NUMBER["tweet.age_s"]].tolist() == [1.0, 2.0]
    assert bins.at(105).edges[NUMBER["tweet.age_s"]].tolist() == [3.0]
    with pytest.raises(VersionNotReached):
        bins.at(106)


def test_a_reader_goes_on_from_a_view():
    bins = Bins()
    bins.apply(record(1, 0, 100, age_s=[1.0, 2.0]))
    bins.apply(record(2, 100, 101))
    later = Bins(FrozenBins.from_arrays(bins.at(101).to_arrays()))
    later.apply(record(3, 101, 102, media=[1.0]))
    assert later.at(102).edges[NUMBER["tweet.age_s"]].tolist() == [1.0, 2.0]
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
    view = FrozenBins(7, {number: np.array(values, np.float32) for number, values in edges.items()}, 3)
    back = FrozenBins.from_arrays(view.to_arrays())
    assert (back.version, back.sequence) == (7, 3)
    assert {n: e.tolist() for n, e in back.edges.items()} == {n: e.tolist() for n, e in view.edges.items()}


def test_damaged_arrays_are_refused():
    arrays = FrozenBins(7, {0: np.array([1.0, 2.0], np.float32)}).to_arrays()
    for damaged in ({**arrays, "lengths": np.array([3])}, {**arrays, "features": np.array([999])}, {}):
        with pytest.raises(SnapshotInvalid):
            FrozenBins.from_arrays(damaged)


def test_more_bins_than_a_feature_has_rows_are_refused():
    edges = np.arange(MAX_BINS, dtype=np.float32)
    bins = Bins()
    with pytest.raises(ChainBroken, match=r"version 100 does not fit this feature set.*at most 58.*DRIFTLINE_PREFIX"):
        bins.apply(record(1, 0, 100, age_s=edges.tolist()))
    assert bins.complete_through == 0
    bins.apply(record(1, 0, 100, age_s=edges[1:].tolist()))
    check_bins(MAX_BINS)
    for bins in (0, MAX_BINS + 1):
        with pytest.raises(SettingsError):
            check_bins(bins)

"""Counting in buckets: the compiled table against counting value by value; any split and order gives the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bags import Bags
from contracts.columns import MISSING, FeatureColumns
from featurestore.bins import reference as bin_reference
from featurestore.bins.counter import BinCounter
from featurestore.bins.edges import equal_mass_edges
from featurestore.bins.histogram import Histogram
from featurestore.bins.sketch import BUCKET_BITS
from featurestore.bins.state import Tally
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_FIELDS, NUMBER, VIEWER_DENSE, VIEWER_FIELDS
from tests.support.bin_samples import STREAMS

ODD = [0.0, -0.0, MISSING, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45, 3.4e38, -3.4e38]
floats = st.one_of(st.sampled_from(ODD), st.floats(width=32), st.integers(-5, 5).map(float))
blocks = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(floats, min_size=width, max_size=width), min_size=1, max_size=20)
)


@settings(deadline=None)
@given(blocks, st.randoms(use_true_random=False))
def test_the_table_counts_as_one_does_value_by_value(block, random):
    dense = np.array(block, np.float32)
    rows = np.array(random.sample(range(len(dense)), random.randint(0, len(dense))), np.int64)
    numbers = np.array([3, 5, 6, 900][: dense.shape[1]])
    codes, counts = Histogram().tally(dense, rows, numbers)
    assert list(zip(codes.tolist(), counts.tolist(), strict=True)) == bin_reference.tally(dense, rows, numbers)


def test_a_signalling_nan_is_counted_nowhere_and_not_as_infinite():
    dense = np.array([[0x7F800001], [0xFF800001], [0x7F800000]], np.uint32).view(np.float32)
    _, counts = Histogram().tally(dense, np.arange(3), np.array([0]))
    assert counts.tolist() == [1]


def test_the_table_is_empty_again_after_each_call():
    histogram, dense = Histogram(), np.arange(-50, 50, dtype=np.float32)[:, None]
    first = histogram.tally(dense, np.arange(100), np.array([0]))
    second = histogram.tally(dense, np.arange(100), np.array([0]))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("seed", range(3))
def test_any_split_order_and_merge_gives_the_same_counts_and_edges(stream, seed):
    random = np.random.default_rng(seed)
    values = STREAMS[stream](random).astype(np.float32)
    histogram = Histogram()

    def tally(part):
        codes, counts = histogram.tally(part[:, None], np.arange(len(part)), np.array([7]))
        return Tally.of(codes >> BUCKET_BITS, codes & ((1 << BUCKET_BITS) - 1), counts)

    whole = tally(values)
    cuts = np.sort(random.integers(0, len(values) + 1, random.integers(1, 9)))
    parts = [tally(part) for part in np.split(random.permutation(values), cuts)]
    while len(parts) > 1:  # merged as a tree of any shape
        one, other = parts.pop(random.integers(len(parts))), parts.pop(random.integers(len(parts)))
        parts.append(one.plus(other))
    (merged,) = parts
    assert (merged.codes.tobytes(), merged.counts.tobytes()) == (whole.codes.tobytes(), whole.counts.tobytes())
    assert equal_mass_edges(merged.feature(7), 16).tobytes() == equal_mass_edges(whole.feature(7), 16).tobytes()


def _features(random: np.random.Generator, viewers: int, candidates: int) -> FeatureColumns:
    bags = {field: Bags.empty(viewers, np.uint64) for field in VIEWER_FIELDS}
    of = {field: Bags.empty(candidates, np.uint64) for field in CANDIDATE_FIELDS}
    return FeatureColumns(
        viewer_row=np.sort(random.integers(0, viewers, candidates)).astype(np.int32),
        viewer_dense=random.integers(0, 3, (viewers, len(VIEWER_DENSE))).astype(np.float32),
        viewer_keys=bags,
        candidate_dense=random.integers(0, 3, (candidates, len(CANDIDATE_DENSE))).astype(np.float32),
        candidate_keys=of,
    )


@pytest.mark.parametrize("seed", range(5))
def test_labelled_values_are_counted_by_window_with_their_positives(seed):
    random = np.random.default_rng(seed)
    features = _features(random, 4, 30)
    positive, windows = random.random(30) < 0.4, random.integers(5, 8, 30)
    names = ["viewer.rate", "tweet.age_s", "viewer_author.seen"]
    numbers = np.array([NUMBER[name] for name in names])
    frames = BinCounter("examples", 2).count_labelled(features, positive, windows, numbers, 5)
    assert [frame.window for frame in frames] == np.unique(windows).tolist()
    dense = np.concatenate([features.viewer_dense[features.viewer_row], features.candidate_dense], axis=1)[:, numbers]
    for frame in frames:
        here = np.flatnonzero(windows == frame.window)
        codes = (frame.features.astype(np.int64) << BUCKET_BITS) | frame.buckets
        counted = list(zip(codes.tolist(), frame.counts.tolist(), strict=True))
        assert counted == bin_reference.tally(dense, here, numbers)
        found = [(code, n) for code, n in zip(codes.tolist(), frame.positives.tolist(), strict=True) if n]
        assert found == bin_reference.tally(dense, here[positive[here]], numbers)
        assert frame.closed_through < frame.window

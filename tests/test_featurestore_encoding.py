"""The one encoding: equal to its slow reference, whatever the columns hold."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.columns import FeatureColumns, Ragged
from featurestore.bins import BinsView
from featurestore.encoding import BIN_ROWS, encode
from featurestore.encoding_reference import encode_reference
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SPLITS, CONTINUOUS, VIEWER_DENSE, VIEWER_SPLITS


class FakeVocabulary:
    """Any pure function of keys and regions is a vocabulary, as far as the encoding is concerned."""

    def lookup(self, keys, regions):
        return (keys % np.uint64(1_000)).astype(np.int32) + 1_000 * regions.astype(np.int32)


@st.composite
def bags(draw, rows):
    lengths = draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows))
    keys = draw(st.lists(st.integers(0, 2**64 - 1), min_size=sum(lengths), max_size=sum(lengths)))
    return Ragged.from_lengths(np.array(lengths, np.int64), np.array(keys, np.uint64))


@st.composite
def columns(draw):
    m, n = draw(st.integers(1, 3)), draw(st.integers(0, 4))
    seed = draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 2.0, -1.0, 1e-45, 3e38], np.float32)

    def dense(rows, width):
        values = rng.normal(0, 3, (rows, width)).astype(np.float32)
        picked = rng.random((rows, width)) < 0.5
        return np.where(picked, rng.choice(special, (rows, width)), values)

    return FeatureColumns(
        viewer_row=np.sort(rng.integers(0, m, n)).astype(np.int32),
        viewer_dense=dense(m, len(VIEWER_DENSE)),
        viewer_keys={split: draw(bags(m)) for split in VIEWER_SPLITS},
        candidate_dense=dense(n, len(CANDIDATE_DENSE)),
        candidate_keys={split: draw(bags(n)) for split in CANDIDATE_SPLITS},
    )


edges = st.dictionaries(
    st.integers(0, len(CONTINUOUS) - 1),
    st.sets(st.sampled_from([-1.0, -0.5, 0.0, 1e-45, 1.0, 2.0, 3.0]), max_size=6).map(sorted),
)


@settings(max_examples=60, deadline=None)
@given(columns(), edges)
def test_the_fast_encoding_agrees_with_the_reference(features, edges):
    view = BinsView(3, {number: np.array(values, np.float32) for number, values in edges.items()})
    assert encode is not encode_reference
    fast, slow = encode(features, FakeVocabulary(), view), encode_reference(features, FakeVocabulary(), view)
    assert (fast.viewer_row == slow.viewer_row).all()
    for name in ("viewer_bins", "candidate_bins"):
        one, other = getattr(fast, name), getattr(slow, name)
        assert one.dtype == other.dtype == np.int32
        assert (one == other).all()
        assert ((one >= 0) & (one < BIN_ROWS)).all()
    for name in ("viewer_slots", "candidate_slots"):
        one, other = getattr(fast, name), getattr(slow, name)
        assert list(one) == list(other)
        for split in one:
            assert one[split].slots.dtype == np.int32
            assert (one[split].offsets == other[split].offsets).all()
            assert (one[split].slots == other[split].slots).all()


@settings(max_examples=30, deadline=None)
@given(columns(), edges)
def test_a_candidate_is_encoded_alike_in_any_batch(features, edges):
    view = BinsView(3, {number: np.array(values, np.float32) for number, values in edges.items()})
    whole = encode(features, FakeVocabulary(), view)
    for row in range(len(features)):
        alone = encode(features.take(np.array([row])), FakeVocabulary(), view)
        assert (alone.candidate_bins[0] == whole.candidate_bins[row]).all()
        for split, slots in alone.candidate_slots.items():
            begin, end = whole.candidate_slots[split].offsets[row : row + 2]
            assert (slots.slots == whole.candidate_slots[split].slots[begin:end]).all()

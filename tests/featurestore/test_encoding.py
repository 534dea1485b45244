"""The one encoding: equal to its slow reference, whatever the columns hold, and for each candidate on its own."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import encode as benchmark
from contracts.bags import Bags
from contracts.columns import MISSING, FeatureColumns
from contracts.settings import VocabSettings
from featurestore.bins.edge_table import BIN_STRIDE, MISSING_BIN
from featurestore.bins.replica import BIN_ROWS, FrozenBins
from featurestore.encoding.encode import REGIONS, encode
from featurestore.encoding.reference import encode_reference
from featurestore.features import (
    CANDIDATE_DENSE,
    CANDIDATE_FIELDS,
    CANDIDATE_SIDE,
    CONTINUOUS,
    VIEWER_DENSE,
    VIEWER_FIELDS,
    VIEWER_SIDE,
)
from tests.support.paths import ROOT
from vocab.keys import SHARDS
from vocab.namespaces import Namespace
from vocab.replica.frozen_vocabulary import FrozenVocabulary
from vocab.slot_layout import SlotLayout

SETTINGS = VocabSettings.uniform(capacity=2 * SHARDS, rare_slots=7)
ADMITTED = np.array([0, 1, 2, 3, 1 << 63, 2**64 - 2, 2**64 - 1], np.uint64)
OWN_SLOTS = np.array([90, 80, 77, 500, 101, 75, 76], np.int32)
VOCABULARY = FrozenVocabulary(
    version=3,
    sequence=1,
    layout=SlotLayout.of(SETTINGS),
    keys=ADMITTED,
    slots=OWN_SLOTS,
    generations=np.ones(len(ADMITTED), np.uint32),
)


@st.composite
def bags(draw, rows, weighted=False):
    lengths = draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows))
    keys = st.sampled_from(ADMITTED.tolist()) | st.integers(0, 2**64 - 1)
    drawn = draw(st.lists(keys, min_size=sum(lengths), max_size=sum(lengths)))
    values = draw(st.lists(st.floats(-2, 2, width=32), min_size=sum(lengths), max_size=sum(lengths)))
    return Bags.from_lengths(
        np.array(lengths, np.int64), np.array(drawn, np.uint64), np.array(values, np.float32) if weighted else None
    )


@st.composite
def columns(draw):
    """Any number of viewers, some of them of no candidate, and any number of candidates, in any order."""
    m = draw(st.integers(0, 4))
    n = draw(st.integers(0, 5)) if m else 0
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    special = np.array(
        [MISSING, np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 2.0, -1.0, 1e-45, 3e38], np.float32
    )

    def dense(rows, width):
        values = rng.normal(0, 3, (rows, width)).astype(np.float32)
        picked = rng.random((rows, width)) < 0.5
        return np.where(picked, rng.choice(special, (rows, width)), values)

    return FeatureColumns(
        viewer_row=rng.integers(0, max(m, 1), n).astype(np.int32),
        viewer_dense=dense(m, len(VIEWER_DENSE)),
        viewer_keys={field: draw(bags(m, field in VIEWER_SIDE.weighted)) for field in VIEWER_FIELDS},
        candidate_dense=dense(n, len(CANDIDATE_DENSE)),
        candidate_keys={field: draw(bags(n, field in CANDIDATE_SIDE.weighted)) for field in CANDIDATE_FIELDS},
        viewer_vectors={name: dense(m, width) for name, width in VIEWER_SIDE.vectors},
        candidate_vectors={name: dense(n, width) for name, width in CANDIDATE_SIDE.vectors},
    )


views = st.dictionaries(
    st.integers(0, len(CONTINUOUS) - 1),
    st.sets(st.sampled_from([-1.0, -0.5, 0.0, 1e-45, 1.0, 2.0, 3.0]), max_size=6).map(sorted),
).map(lambda edges: FrozenBins(3, {number: np.array(values, np.float32) for number, values in edges.items()}))


def assert_same(one, other):
    """Model inputs that are the same, array for array."""
    for name in ("viewer_row", "viewer_bins", "candidate_bins"):
        assert getattr(one, name).dtype == getattr(other, name).dtype == np.int32
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    for name in ("viewer_slots", "candidate_slots"):
        assert list(getattr(one, name)) == list(getattr(other, name))
        for field, slots in getattr(one, name).items():
            assert slots.ids.dtype == np.int32
            assert slots.offsets.tolist() == getattr(other, name)[field].offsets.tolist()
            assert slots.ids.tolist() == getattr(other, name)[field].ids.tolist()
            assert_same_values(slots.weights, getattr(other, name)[field].weights)
    for name in ("viewer_vectors", "candidate_vectors"):
        assert list(getattr(one, name)) == list(getattr(other, name))
        for vector, values in getattr(one, name).items():
            assert_same_values(values, getattr(other, name)[vector])


def assert_same_values(one, other):
    """Values, or none, of the same bits."""
    assert (one is None) == (other is None)
    if one is not None:
        assert one.dtype == other.dtype == np.float32
        assert one.tobytes() == other.tobytes()


@settings(max_examples=100, deadline=None)
@given(columns(), views)
def test_the_fast_encoding_agrees_with_the_reference(features, bins):
    assert encode is not encode_reference
    fast = encode(features, VOCABULARY, bins)
    assert_same(fast, encode_reference(features, VOCABULARY, bins))
    for rows in (fast.viewer_bins, fast.candidate_bins):
        assert ((rows >= 0) & (rows < BIN_ROWS)).all()
    for slots in (*fast.viewer_slots.values(), *fast.candidate_slots.values()):
        assert ((slots.ids >= 0) & (slots.ids < VOCABULARY.num_slots)).all()


@settings(max_examples=60, deadline=None)
@given(columns(), views)
def test_a_candidate_and_a_viewer_are_encoded_alike_in_any_batch(features, bins):
    whole = encode(features, VOCABULARY, bins)
    for row in range(len(features)):
        alone = encode(features.take(np.array([row])), VOCABULARY, bins)
        assert (alone.candidate_bins[0] == whole.candidate_bins[row]).all()
        for field, slots in alone.candidate_slots.items():
            assert_same_bag(slots, whole.candidate_slots[field], row)
        for name, values in alone.candidate_vectors.items():
            assert_same_values(values[0], whole.candidate_vectors[name][row])
    for row in range(len(features.viewer_dense)):
        nobody = features.take(np.empty(0, np.int64))
        alone = encode(nobody.take_viewers(np.array([row]), nobody.viewer_row), VOCABULARY, bins)
        assert alone.candidate_bins.shape == (0, len(CANDIDATE_DENSE))
        assert (alone.viewer_bins[0] == whole.viewer_bins[row]).all()
        for field, slots in alone.viewer_slots.items():
            assert_same_bag(slots, whole.viewer_slots[field], row)
        for name, values in alone.viewer_vectors.items():
            assert_same_values(values[0], whole.viewer_vectors[name][row])


@settings(max_examples=60, deadline=None)
@given(columns(), views, st.data())
def test_a_slice_is_its_candidates_with_the_viewers_they_need(features, bins, data):
    assume(len(features))
    begin = data.draw(st.integers(0, len(features) - 1))
    end = data.draw(st.integers(begin + 1, len(features)))
    mine = features.take(np.arange(begin, end))
    first, last = mine.viewer_row.min(), mine.viewer_row.max() + 1
    alone = mine.take_viewers(np.arange(first, last), mine.viewer_row - first)
    inputs = encode(features, VOCABULARY, bins)
    part = inputs.slice(begin, end)
    assert_same(part, encode(alone, VOCABULARY, bins))
    assert np.shares_memory(part.candidate_bins, inputs.candidate_bins)
    for matrix, rows in zip(part.vector_matrices(), (last - first, end - begin), strict=True):
        assert matrix.shape[0] == rows
        assert matrix.flags.carray


@settings(max_examples=30, deadline=None)
@given(st.lists(columns(), min_size=1, max_size=3), views)
def test_parts_encoded_together_are_the_parts_encoded_alone(parts, bins):
    whole = encode(FeatureColumns.concatenate(parts), VOCABULARY, bins)
    alone = [encode(part, VOCABULARY, bins) for part in parts]
    for name in ("viewer_bins", "candidate_bins"):
        assert (getattr(whole, name) == np.concatenate([getattr(part, name) for part in alone])).all()
    for name in ("viewer_slots", "candidate_slots"):
        for field, slots in getattr(whole, name).items():
            assert slots.ids.tolist() == [s for part in alone for s in getattr(part, name)[field].ids.tolist()]
            parts_of = [getattr(part, name)[field].weights for part in alone]
            assert_same_values(slots.weights, None if parts_of[0] is None else np.concatenate(parts_of))
    for name in ("viewer_vectors", "candidate_vectors"):
        for vector, values in getattr(whole, name).items():
            assert_same_values(values, np.concatenate([getattr(part, name)[vector] for part in alone]))


def _columns(**changed):
    """One viewer, two candidates; nothing known but what is `changed`."""
    empty = Bags.empty(2, np.uint64)
    given = {
        "viewer_row": np.zeros(2, np.int32),
        "viewer_dense": np.full((1, len(VIEWER_DENSE)), MISSING),
        "viewer_keys": {field: empty.take(np.array([0])) for field in VIEWER_FIELDS},
        "candidate_dense": np.full((2, len(CANDIDATE_DENSE)), MISSING),
        "candidate_keys": dict.fromkeys(CANDIDATE_FIELDS, empty),
        "viewer_vectors": VIEWER_SIDE.zero_vectors(1),
        "candidate_vectors": CANDIDATE_SIDE.zero_vectors(2),
    }
    return FeatureColumns(**{**given, **changed})


def test_nothing_known_is_empty_bags_and_the_bin_of_what_is_missing():
    inputs = encode(_columns(), VOCABULARY, FrozenBins.empty())
    rows = np.concatenate([inputs.viewer_bins[0], inputs.candidate_bins[1]])
    assert rows.tolist() == [number * BIN_STRIDE + MISSING_BIN for number in range(len(CONTINUOUS))]
    for slots in (*inputs.viewer_slots.values(), *inputs.candidate_slots.values()):
        assert not len(slots.ids)
    assert [len(slots.offsets) - 1 for slots in inputs.candidate_slots.values()] == [2] * len(CANDIDATE_FIELDS)


def test_a_history_keeps_its_order_and_its_repeats():
    newest_first = np.array([3, 1, 3, 2, 2**64 - 1, 1], np.uint64)
    values = np.array([1, 0.5, 0.5, 0.25, 0.25, 0.125], np.float32)
    of_viewer = Bags.from_lengths(np.array([6]), newest_first, values)
    features = _columns(viewer_keys={"viewer": of_viewer.take(np.array([0])), "history": of_viewer})
    history = encode(features, VOCABULARY, FrozenBins.empty()).viewer_slots["history"]
    assert history.ids.tolist() == OWN_SLOTS[[3, 1, 3, 2, 6, 1]].tolist()
    assert history.weights.tolist() == values.tolist()


def test_vectors_go_on_as_they_are_and_those_that_are_not_declared_do_not():
    clock = np.array([[0.0, 1.0, -0.5, 0.25]], np.float32)
    given = {"clock": clock, "other": np.zeros((1, 2), np.float32)}
    inputs = encode(_columns(viewer_vectors=given), VOCABULARY, FrozenBins.empty())
    assert list(inputs.viewer_vectors) == ["clock"]
    assert inputs.viewer_vectors["clock"] is clock


@pytest.mark.parametrize("given", [{}, {"clock": np.zeros((1, 3), np.float32)}], ids=["none", "narrow"])
def test_features_without_a_declared_vector_are_refused(given):
    with pytest.raises(ValueError, match="features without the vector clock, which is 4 wide"):
        encode(_columns(viewer_vectors=given), VOCABULARY, FrozenBins.empty())


def test_long_bags_hold_the_slots_of_their_keys_and_the_shared_rows_of_their_regions():
    rng = np.random.default_rng(3)
    layout = VOCABULARY.layout
    keys = np.unique(rng.integers(0, 2**64, 2_000, np.uint64))
    own = np.concatenate([layout.slots_of(kind, shard) for kind in Namespace for shard in range(SHARDS)])
    admitted = rng.random(len(keys)) < 0.4
    slots = rng.permutation(own)[: admitted.sum()]
    vocabulary = FrozenVocabulary(
        version=4, sequence=2, layout=layout, keys=keys[admitted], slots=slots,
        generations=np.ones(len(slots), np.uint32),
    )  # fmt: skip
    slot_of = dict(zip(keys[admitted].tolist(), slots.tolist(), strict=True))
    held = {field: rng.choice(keys, length) for field, length in (("viewer", 33), ("history", 255))}
    bags = {field: Bags.from_lengths(np.array([len(keys)]), keys) for field, keys in held.items()}
    found = encode(_columns(viewer_keys=bags), vocabulary, FrozenBins.empty()).viewer_slots
    for field, keys in held.items():
        shared = layout.rare_slots_of(keys, np.full(len(keys), REGIONS[field], np.uint8)).tolist()
        assert found[field].ids.tolist() == [slot_of.get(k, s) for k, s in zip(keys.tolist(), shared, strict=True)]


@settings(max_examples=30, deadline=None)
@given(columns(), views)
def test_features_are_neither_changed_nor_need_to_be_writable(features, bins):
    keys = [bag.ids for bag in (*features.viewer_keys.values(), *features.candidate_keys.values())]
    vectors = [*features.viewer_vectors.values(), *features.candidate_vectors.values()]
    arrays = [features.viewer_dense, features.candidate_dense, *keys, *vectors]
    before = [array.tobytes() for array in arrays]
    first = encode(features, VOCABULARY, bins)
    assert [array.tobytes() for array in arrays] == before
    for array in arrays:
        array.flags.writeable = False
    assert_same(encode(features, VOCABULARY, bins), first)


def assert_same_bag(alone, whole, row):
    """The one bag of `alone` is bag `row` of `whole`."""
    begin, end = whole.offsets[row], whole.offsets[row + 1]
    assert alone.ids.tolist() == whole.ids[begin:end].tolist()
    assert_same_values(alone.weights, None if whole.weights is None else whole.weights[begin:end])


def test_the_example_of_the_page_prints_what_it_says(capsys):
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "encoding.md").read_text(), flags=re.S)
    exec(example, {})
    printed = capsys.readouterr().out.splitlines()
    assert printed == re.findall(r"^print.*  # (.*)$", example, flags=re.M)
    assert printed


def test_the_benchmark_encodes_every_declared_field():
    rng = np.random.default_rng(0)
    features = benchmark.declared_features(rng, ADMITTED, viewers=1, candidates=2)
    inputs = encode(features, benchmark.vocabulary_of(ADMITTED), FrozenBins.empty())
    found = {field: np.diff(slots.offsets) for field, slots in (inputs.viewer_slots | inputs.candidate_slots).items()}
    assert {field: set(lengths.tolist()) for field, lengths in found.items()} == {
        field: {count} for field, count in benchmark.DECLARED_KEYS.items()
    }


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"viewer_row": np.array([0, 5], np.int32)}, "viewer_row points outside the 1 viewers"),
        ({"viewer_row": np.array([-1, 0], np.int32)}, "viewer_row points outside"),
        ({"viewer_row": np.zeros(3, np.int32)}, "3 viewer rows for 2 candidates"),
        *(
            ({"viewer_keys": {"history": Bags(np.array(offsets), np.arange(3, dtype=np.uint64))}}, "history|a bag of")
            for offsets in ([0, 4], [0, 2], [1, 3], [0, 5, 3], [0, 1, 3], [0], [-1, 3])
        ),
        ({"viewer_keys": {"viewer": Bags.of_matrix(np.zeros((1, 256), np.uint64))}}, "a bag of 0 or 256 keys"),
        (
            {
                "viewer_keys": {
                    "history": Bags(np.array([0, 3]), np.arange(3, dtype=np.uint64), np.ones(2, np.float32))
                }
            },
            "2 weights for the 3 keys of history",
        ),
        ({"viewer_vectors": VIEWER_SIDE.zero_vectors(2)}, "2 vectors clock for 1 rows"),
    ],
)
def test_rows_and_offsets_that_point_outside_are_refused_before_a_kernel_reads_them(change, complaint):
    features = _columns()
    changed = {
        name: {**getattr(features, name), **value} if isinstance(value, dict) else value
        for name, value in change.items()
    }
    with pytest.raises(ValueError, match=complaint):
        encode(dataclasses.replace(features, **changed), VOCABULARY, FrozenBins.empty())

"""Decision-tree bins: as the slow search grows them, with the mass that each leaf must have, of counts alone."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.bins import reference as bin_reference
from featurestore.bins.edges import Sketch
from featurestore.bins.tree import information, log2, tree_edges
from tests.support.bin_samples import sketch_of

# Values, and whether each was engaged with: likelier on some values than on others.
labelled = st.lists(
    st.tuples(st.integers(1, 12), st.integers(0, 9)).map(lambda drawn: (drawn[0], drawn[1] < (drawn[0] * 5) % 11)),
    max_size=300,
)


def sketches(examples) -> tuple[Sketch, Sketch]:
    values = np.array([value for value, _ in examples], np.float32)
    positive = np.array([engaged for _, engaged in examples], bool)
    return sketch_of(values), sketch_of(values[positive])


@settings(deadline=None, max_examples=60)
@given(labelled, st.integers(1, 6), st.integers(1, 30))
def test_trees_are_what_the_slow_search_grows(examples, bins, least):
    every, positive = sketches(examples)
    assert tree_edges(every, positive, bins, least).tolist() == bin_reference.grow(every, positive, bins, least)


@settings(deadline=None)
@given(labelled, st.integers(1, 6), st.integers(1, 30))
def test_every_leaf_has_its_mass_and_no_tree_loses_information(examples, bins, least):
    every, positive = sketches(examples)
    edges = tree_edges(every, positive, bins, least)
    assert len(edges) < bins
    masses, positives = every.masses(edges), positive.masses(edges)
    assert len(edges) == 0 or masses.min() >= least
    left = information(masses, positives).sum()
    assert left <= information(np.array([every.total]), np.array([positive.total]))[0] + 1e-6


@settings(deadline=None)
@given(labelled, st.randoms(use_true_random=False))
def test_the_order_of_examples_changes_nothing(examples, random):
    shuffled = random.sample(examples, len(examples))
    assert tree_edges(*sketches(examples), 8, 5).tobytes() == tree_edges(*sketches(shuffled), 8, 5).tobytes()


def test_a_step_is_cut_where_it_is_and_nowhere_else():
    values = np.random.default_rng(1).uniform(1, 9, 4_000).astype(np.float32)
    engaged = np.random.default_rng(2).random(4_000) < np.where(values < 3, 0.1, np.where(values < 6, 0.5, 0.2))
    edges = tree_edges(sketch_of(values), sketch_of(values[engaged]), 16, 80)
    np.testing.assert_allclose(edges, [3, 6], rtol=0.02)


@pytest.mark.parametrize("seed", range(20))
def test_labels_that_are_chance_give_no_edges(seed):
    random = np.random.default_rng(seed)
    values = random.lognormal(size=2_000).astype(np.float32)
    assert tree_edges(sketch_of(values), sketch_of(values[random.random(2_000) < 0.2]), 16, 40).tolist() == []


def test_one_class_one_value_or_none_give_no_edges():
    values = np.arange(1, 1_001, dtype=np.float32)
    assert tree_edges(sketch_of(values), sketch_of([]), 16, 10).tolist() == []
    assert tree_edges(sketch_of(values), sketch_of(values), 16, 10).tolist() == []
    assert tree_edges(sketch_of([7.0] * 100), sketch_of([7.0] * 30), 16, 10).tolist() == []
    assert tree_edges(sketch_of([]), sketch_of([]), 16, 1).tolist() == []


def test_logarithms_are_those_of_arithmetic():
    values = np.unique(np.geomspace(1, 2**52, 5_000).astype(np.int64))
    exact = np.array([math.log2(value) for value in values.tolist()])
    assert np.abs(log2(values) - exact).max() < 2**-24
    assert log2(np.array([0, 1, 2, 1024])).tolist() == [0, 0, 1, 10]

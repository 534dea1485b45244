"""Hypothesis strategies for bags, vectors and feature blocks, of any shape and bits. Two sides with every option."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.bags import Bags
from contracts.columns import MISSING_BITS, MOST_MAGNITUDE, FeatureColumns, Side

VIEWER = Side(fields=("viewer", "history"), weighted=("history",), vectors=(("clock", 2),))
CANDIDATE = Side(fields=("text", "tags", "author"), weighted=("author", "text"), vectors=(("image", 3), ("sound", 1)))
BITS = st.integers(0, 2**32 - 1) | st.sampled_from([int(MISSING_BITS), 0x7FC00000, 0xFFC00000, 0x7F800001])


def floats(shape):
    """float32 with any bits, including all NaNs, infinities and -0.0."""
    return arrays(np.uint32, shape, elements=BITS).map(lambda bits: bits.view(np.float32))


def magnitudes(shape):
    """float32 of the magnitudes that weights of keys and vectors may have."""
    return arrays(np.float32, shape, elements=st.floats(-MOST_MAGNITUDE, MOST_MAGNITUDE, width=32))


@st.composite
def bags(draw, rows, longest=5, weighted=None):
    """`rows` bags, many of them empty. valued: whether they have values; None: drawn."""
    lengths = draw(arrays(np.int64, rows, elements=st.integers(0, longest)))
    keys = int(lengths.sum())
    has_weights = draw(st.booleans()) if weighted is None else weighted
    return Bags.from_lengths(lengths, draw(arrays(np.uint64, keys)), draw(magnitudes(keys)) if has_weights else None)


def side_columns(draw, side, rows):
    """(bags by field, vectors by name) of `rows` rows."""
    return (
        {field: draw(bags(rows, weighted=field in side.weighted)) for field in side.fields},
        {name: draw(magnitudes((rows, width))) for name, width in side.vectors},
    )


@st.composite
def feature_columns(draw, requests=None):
    """Some viewers, each with some or no candidates, in the viewers' order."""
    per_viewer = draw(st.lists(st.integers(0, 4), min_size=1, max_size=4)) if requests is None else requests
    m, n = len(per_viewer), sum(per_viewer)
    viewer_keys, viewer_vectors = side_columns(draw, VIEWER, m)
    candidate_keys, candidate_vectors = side_columns(draw, CANDIDATE, n)
    return FeatureColumns(
        viewer_row=np.repeat(np.arange(m, dtype=np.int32), per_viewer),
        viewer_dense=draw(floats((m, 2))),
        viewer_keys=viewer_keys,
        candidate_dense=draw(floats((n, 3))),
        candidate_keys=candidate_keys,
        viewer_vectors=viewer_vectors,
        candidate_vectors=candidate_vectors,
    )

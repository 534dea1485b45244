"""Examples travel bit for bit, and columns of another kind, cut or missing, are refused."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.columns import is_missing, is_nan
from contracts.errors import BadRecord
from contracts.examples import _FLAT, PROVENANCES, Examples, deserialize_examples, serialize_examples
from tests.golden.compare import assert_same_bits, assert_same_features
from tests.golden.samples import EXAMPLES
from tests.support.column_strategies import feature_columns
from tests.support.unhurried import unhurried


@st.composite
def examples(draw):
    """Examples of none or some requests, each of one or more impressions."""
    counts = draw(st.lists(st.integers(1, 3), max_size=3))
    features = draw(feature_columns(requests=counts))
    n = len(features)

    def column(name):
        dtype, within = _FLAT[name]
        drawn = st.integers if np.issubdtype(dtype, np.integer) else partial(st.floats, width=32)
        elements = drawn(within.low, within.high)
        if within.nan:
            elements |= st.just(np.nan)
        return draw(arrays(dtype, n, elements=elements))

    return Examples(
        feature_set="fs", features=features,
        request_ids=[f"r{i}" for i, count in enumerate(counts) for _ in range(count)],
        **{name: column(name) for name in _FLAT},
        provenances=draw(arrays(np.uint8, n, elements=st.integers(0, len(PROVENANCES) - 1))),
    )  # fmt: skip


@unhurried
@given(examples())
def test_examples_round_trip_bit_for_bit(sample):
    found = deserialize_examples(serialize_examples(sample))
    assert_same_features(found.features, sample.features)
    assert list(found.request_ids) == list(sample.request_ids)
    for name in ("viewer_ids", "positions", "labels", "weights", "probabilities", "engaged_append_ms", "provenances"):
        assert_same_bits(getattr(found, name), getattr(sample, name))


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _arrow() -> pa.Table:
    return pa.ipc.open_stream(serialize_examples(EXAMPLES)).read_all()


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("labels", pa.array([1.0, 2.0, 3.0]), "column labels may not be of double"),
        ("tweet_ids", pa.array([1, None, 3], pa.uint64()), "column tweet_ids has nulls"),
        ("request_ids", pa.array([1, 2, 3]), "column request_ids may not be of int64"),
        ("viewer_dense", pa.array([1.0, 2.0, 3.0]), "column viewer_dense may not be of double"),
        ("provenances", pa.array([0, 1, 2]), "column provenances may not be of int64"),
        ("provenances", pa.array(["real", "real", "dream"]).dictionary_encode(), "'dream' is not a valid Provenance"),
        ("candidate_keys.text", pa.array([[1], [], []], pa.list_(pa.int32())), "column candidate_keys.text may not"),
        (
            "candidate_weights.text",
            pa.array([[], [2], [5]], pa.list_(pa.int32())),
            "candidate_weights.text may not",
        ),
        (
            "candidate_weights.text",
            pa.array([[2], [3], [5]], pa.list_(pa.float32())),
            "weights of text are not one",
        ),
        ("candidate_vectors.image", pa.array([1.0, 2.0, 3.0]), "column candidate_vectors.image may not"),
    ],
)
def test_examples_with_a_column_of_another_kind_are_malformed(column, values, complaint):
    table = _arrow()
    place = table.column_names.index(column)
    with pytest.raises(BadRecord, match=complaint):
        deserialize_examples(_stream(table.set_column(place, column, values)))


def test_nulls_among_dense_values_are_missing_and_nans_stay_nans():
    for kind in (pa.list_(pa.float32(), 2), pa.list_(pa.field("item", pa.float32(), nullable=True), 2)):
        values = pa.array([[1.5, None], [float("nan"), None], [2.0, 3.0]], kind)
        table = _arrow()
        place = table.column_names.index("candidate_dense")
        found = deserialize_examples(
            _stream(table.set_column(place, "candidate_dense", values))
        ).features.candidate_dense
        assert is_missing(found).tolist() == [[False, True], [False, True], [False, False]]
        assert is_nan(found).tolist() == [[False, False], [True, False], [False, False]]
        assert found[~np.isnan(found)].tolist() == [1.5, 2.0, 3.0]


def test_examples_without_a_column_or_without_a_version_are_malformed():
    with pytest.raises(BadRecord, match="labels"):
        deserialize_examples(_stream(_arrow().drop_columns(["labels"])))
    with pytest.raises(BadRecord, match=r"driftline\.version"):
        deserialize_examples(_stream(_arrow().replace_schema_metadata({})))


def test_examples_cut_short_anywhere_are_malformed():
    value = serialize_examples(EXAMPLES)
    for end in range(0, len(value) - 8, 7):  # the last 8 bytes only mark the end of the stream
        with pytest.raises(BadRecord, match="malformed: Examples"):
            deserialize_examples(value[:end])


def test_examples_of_another_dtype_are_not_written():
    wrong = {name: getattr(EXAMPLES, name) for name in EXAMPLES.__dataclass_fields__} | {"labels": np.zeros(3)}
    with pytest.raises(ValueError, match="column labels is of float64, expected uint16"):
        serialize_examples(Examples(**wrong))

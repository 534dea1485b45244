"""Only records that can be learned from get to the learner; the rest says why not."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from contracts.bags import Keys
from contracts.errors import BadRecord
from contracts.examples import Examples, serialize_examples
from tests.support.trainer_world import World
from trainer.check_examples import read_examples


@pytest.fixture
def examples() -> Examples:
    return World().examples(4)[0]


def _retyped(value: bytes, name: str, column: pa.Array) -> bytes:
    table = pa.ipc.open_stream(value).read_all()
    table = table.set_column(table.column_names.index(name), name, column)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def test_a_good_record_is_read(examples: Examples) -> None:
    assert read_examples(serialize_examples(examples)).labels.tolist() == examples.labels.tolist()


def test_another_feature_set_is_named(examples: Examples) -> None:
    with pytest.raises(BadRecord, match="feature set other") as caught:
        read_examples(serialize_examples(replace(examples, feature_set="other")))
    assert caught.value.reason == "feature_set"


@pytest.mark.parametrize("value", [None, b"", b"\x00" * 64, b"no examples"])
def test_bytes_that_are_no_examples_are_malformed(value: bytes | None) -> None:
    with pytest.raises(BadRecord) as caught:
        read_examples(value)
    assert caught.value.reason == "malformed"


def test_cut_records_are_malformed(examples: Examples) -> None:
    value = serialize_examples(examples)
    for length in range(0, len(value) - 16, max(len(value) // 50, 1)):
        with pytest.raises(BadRecord):
            read_examples(value[:length])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("weights", weight) for weight in (np.nan, np.inf, -1.0, 3e38, 10_001)),
        *(("at_ms", at_ms) for at_ms in (-1, 0, 4_102_444_800_001)),
        *(("probabilities", probability) for probability in (-0.1, 1.5, np.inf)),
        ("viewer_ids", 1 << 63),
        ("tweet_ids", (1 << 64) - 1),
        ("vocab_versions", -1),
        ("engaged_append_ms", -5),
    ],
)
def test_values_that_cannot_be_are_malformed_and_never_written(examples: Examples, name: str, value: float) -> None:
    column = getattr(examples, name).copy()
    column[3] = value
    with pytest.raises(ValueError, match=name):
        serialize_examples(replace(examples, **{name: column}))
    with pytest.raises(BadRecord, match=name) as caught:
        read_examples(_retyped(serialize_examples(examples), name, pa.array(column)))
    assert caught.value.reason == "malformed"


def test_a_bag_of_more_keys_than_can_be_served_is_malformed(examples: Examples) -> None:
    lists = [[7] * 256, *([[]] * (len(examples) - 1))]
    column = pa.array(lists, pa.list_(pa.uint64()))
    with pytest.raises(BadRecord, match=r"256 keys in candidate_keys\.text"):
        read_examples(_retyped(serialize_examples(examples), "candidate_keys.text", column))


def test_missing_fields_and_other_widths_are_malformed(examples: Examples) -> None:
    features = examples.features
    fewer = replace(features, candidate_keys={"text": features.candidate_keys["text"]})
    with pytest.raises(BadRecord, match="fields"):
        read_examples(serialize_examples(replace(examples, features=fewer)))
    narrow = replace(features, candidate_dense=features.candidate_dense[:, :-1].copy())
    with pytest.raises(BadRecord, match="widths"):
        read_examples(serialize_examples(replace(examples, features=narrow)))


def test_values_and_vectors_that_are_not_those_of_the_feature_set_are_malformed(examples: Examples) -> None:
    features = examples.features
    history = features.viewer_keys["history"]
    clock = features.viewer_vectors["clock"]
    ones = np.ones(len(history.ids), np.float32)
    text = features.candidate_keys["text"]
    weighted = replace(text, weights=np.ones(len(text.ids), np.float32))
    for changed, complaint in (
        ({"viewer_keys": features.viewer_keys | {"history": replace(history, weights=None)}}, "fields with weights"),
        ({"candidate_keys": features.candidate_keys | {"text": weighted}}, "fields with weights"),
        *(
            ({"viewer_keys": features.viewer_keys | {"history": replace(history, weights=ones * value)}}, "history")
            for value in (np.inf, np.nan, 3e38, -101)
        ),
        ({"viewer_vectors": {}}, "vectors are not"),
        ({"viewer_vectors": {"clock": clock[:, :3].copy()}}, "vectors are not"),
        *(({"viewer_vectors": {"clock": clock * 0 + value}}, "clock") for value in (np.nan, -np.inf, 3e38, 101)),
        ({"candidate_vectors": {"image": np.zeros((len(features), 2), np.float32)}}, "vectors are not"),
    ):
        with pytest.raises(BadRecord, match=complaint) as caught:
            read_examples(serialize_examples(replace(examples, features=replace(features, **changed))))
        assert caught.value.reason == "malformed"


@pytest.mark.parametrize("name", ["candidate_keys.text", "viewer_dense", "labels", "request_ids"])
def test_columns_of_another_type_are_malformed(examples: Examples, name: str) -> None:
    column = pa.array([{"a": 1}] * len(examples))
    with pytest.raises(BadRecord) as caught:
        read_examples(_retyped(serialize_examples(examples), name, column))
    assert caught.value.reason == "malformed"


def test_keys_of_another_width_are_malformed(examples: Examples) -> None:
    bags: Keys = examples.features.candidate_keys["text"]
    column = pa.ListArray.from_arrays(pa.array(bags.offsets.astype(np.int32)), pa.array(bags.ids.astype(np.float64)))
    with pytest.raises(BadRecord):
        read_examples(_retyped(serialize_examples(examples), "candidate_keys.text", column))

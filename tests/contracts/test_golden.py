"""What is written is what was promised, byte for byte, and is read back; other versions are refused by name."""

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from contracts import columnar as frames
from contracts import records
from contracts.codec import Codec, Record, serialize
from contracts.errors import UnknownVersion
from contracts.examples import VERSION, deserialize_examples, serialize_examples
from contracts.frames import Frame
from tests.golden.compare import assert_same_bits, assert_same_features, assert_same_record
from tests.golden.samples import EXAMPLES, RECORDS
from tests.support.paths import GOLDEN

EXAMPLES_FILE = f"Examples.v{VERSION}.arrow.hex"


def golden(name: str) -> bytes:
    """The bytes of one file."""
    path = GOLDEN / name
    text = path.read_text()
    return bytes.fromhex(text) if path.suffix == ".hex" else text.removesuffix("\n").encode()


def file_of(record: Record) -> str:
    """The name of a record's golden file."""
    return f"{type(record).__name__}.v{record.v}.{'hex' if isinstance(record, Frame) else 'json'}"


def test_there_is_a_sample_and_a_golden_file_of_every_record():
    declared = {
        name
        for module in (records, frames)
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Record) and value.__module__ == module.__name__
    }
    assert set(RECORDS) == declared
    files = {path.name for path in GOLDEN.iterdir() if path.suffix in (".hex", ".json")}
    assert files == {file_of(record) for record in RECORDS.values()} | {EXAMPLES_FILE}


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_written_as_its_golden_bytes(name):
    assert serialize(RECORDS[name]) == golden(file_of(RECORDS[name]))


@pytest.mark.parametrize("name", RECORDS)
def test_every_golden_file_is_read_as_its_record(name):
    sample = RECORDS[name]
    assert_same_record(Codec(type(sample)).deserialize(golden(file_of(sample))), sample)


@pytest.mark.parametrize("name", RECORDS)
def test_a_newer_version_of_any_record_is_refused_by_name(name):
    sample = RECORDS[name]
    newest = sample.v
    newer = serialize(msgspec.structs.replace(sample, v=newest + 1))
    with pytest.raises(
        UnknownVersion, match=f"{name} version {newest + 1} is newer than {newest}.*upgrade this reader"
    ) as caught:
        Codec(type(sample)).deserialize(newer)
    assert caught.value.reason == "unknown_version"


def test_golden_examples_are_read_as_what_they_were_written_from():
    found = deserialize_examples(golden(EXAMPLES_FILE))
    assert found.feature_set == EXAMPLES.feature_set
    assert list(found.request_ids) == list(EXAMPLES.request_ids)
    assert_same_features(found.features, EXAMPLES.features)
    for name in EXAMPLES.__dataclass_fields__.keys() - {"feature_set", "features", "request_ids"}:
        assert_same_bits(getattr(found, name), getattr(EXAMPLES, name))


def test_examples_open_with_plain_arrow_and_name_their_columns():
    table = pa.ipc.open_stream(golden(EXAMPLES_FILE)).read_all()
    assert table["labels"].to_pylist() == [1, 3, 0]
    assert table["candidate_keys.text"].to_pylist() == [[], [4, 5], [6]]
    assert table["viewer_keys.viewer"].to_pylist() == [[1], [1], [2**64 - 1, 3]]
    assert table["candidate_weights.text"].to_pylist() == [[], [0.5, 1.0], [-2.0]]
    assert table["viewer_vectors.clock"].to_pylist() == [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    assert table["provenances"].to_pylist() == ["real", "real", "simulated-world"]
    assert table.schema.metadata == {b"driftline.version": b"1", b"driftline.feature_set": b"fs-1"}


@pytest.mark.parametrize(("version", "is_"), [(VERSION + 1, "newer"), (VERSION - 1, "older")])
def test_examples_of_another_version_are_refused_whatever_else_they_hold(version, is_):
    table = pa.table({"anything": [1]}).replace_schema_metadata({"driftline.version": str(version)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(UnknownVersion, match=f"Examples version {version} is {is_} than {VERSION}"):
        deserialize_examples(sink.getvalue().to_pybytes())


def test_examples_encode_alike_every_time():
    assert serialize_examples(EXAMPLES) == serialize_examples(EXAMPLES)
    assert np.isnan(deserialize_examples(serialize_examples(EXAMPLES)).probabilities[2])

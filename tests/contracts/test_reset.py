"""The reset of all versions to 1 renamed fields and changed no other byte of a record."""

import msgspec
import pyarrow as pa
import pytest

from contracts.examples import VERSION
from model.config import ModelConfig
from model.network import RankingModel
from tests.golden.renamed import FORMER_VERSIONS, RENAMED, RENAMED_IN_SNAPSHOTS, renamed
from tests.golden.samples import RECORDS
from tests.support.paths import GOLDEN


def bytes_of(name: str) -> bytes:
    path = GOLDEN / name
    return bytes.fromhex(path.read_text()) if path.suffix == ".hex" else path.read_bytes()


def buffers_of(column: pa.ChunkedArray) -> list[bytes | None]:
    """A column's bits: a NaN is not equal to itself."""
    return [None if buffer is None else buffer.to_pybytes() for buffer in column.combine_chunks().buffers()]


@pytest.mark.parametrize("name", sorted(FORMER_VERSIONS.keys() - {"Examples"}))
def test_a_record_says_what_it_said_before_in_its_new_names(name: str) -> None:
    [former] = GOLDEN.glob(f"before_reset/{name}.v{FORMER_VERSIONS[name]}.*")
    decode = msgspec.msgpack.decode if former.suffix == ".hex" else msgspec.json.decode
    now = decode(bytes_of(f"{name}.v1{former.suffix}"))
    assert list(now.items()) == list(renamed(decode(bytes_of(f"before_reset/{former.name}"))).items())
    assert now["v"] == RECORDS[name].v == 1


def test_examples_say_what_they_said_before_in_their_new_names() -> None:
    former = pa.ipc.open_stream(bytes_of("before_reset/Examples.v3.arrow.hex")).read_all()
    now = pa.ipc.open_stream(bytes_of("Examples.v1.arrow.hex")).read_all()
    names = []
    for name in former.column_names:
        begin, dot, field = name.partition(".")
        names.append(RENAMED.get(begin, begin) + dot + field)
    metadata = {**former.schema.metadata, b"driftline.version": b"%d" % VERSION}
    expected = former.rename_columns(names).replace_schema_metadata(metadata)
    assert now.schema.equals(expected.schema, check_metadata=True)
    for name in names:  # the list of provenances has lost a name that only former versions needed
        if name != "provenances":
            assert buffers_of(now[name]) == buffers_of(expected[name])
    assert now["provenances"].to_pylist() == expected["provenances"].to_pylist()


def test_a_snapshot_has_the_new_names_and_none_of_the_former() -> None:
    config = ModelConfig(num_slots=4, bin_rows=4, dim=2)
    names = {*RankingModel(config, seed=1).arrays(), *ModelConfig.__struct_fields__}
    assert names >= set(RENAMED_IN_SNAPSHOTS.values())
    assert not names & RENAMED_IN_SNAPSHOTS.keys()

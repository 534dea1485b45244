"""The committed JSON Schemas are those of the code."""

import json

import pytest

from scripts.write_schemas import FOLDER, schemas
from tests.support.paths import GOLDEN


def test_the_schemas_are_current() -> None:
    found = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert found == schemas(), "run: .venv/bin/python -m scripts.write_schemas"


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_schema_describes_every_field_of_the_golden_record(name: str) -> None:
    schema = json.loads(schemas()[name])
    record = json.loads((GOLDEN / name.replace(".json", ".v1.json")).read_text())
    described = schema["$defs"][name.removesuffix(".json")]
    assert set(described["properties"]) == set(record)
    assert set(described.get("required", [])) <= set(record)

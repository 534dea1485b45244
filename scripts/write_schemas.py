"""Writes `docs/schemas`: JSON Schemas (draft 2020-12) of the records that people write and read.

`python -m scripts.write_schemas` rewrites the folder; `tests/contracts/test_schemas.py` checks that it is up to date.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from contracts.records import DeadLetter, Engagement, RankedTimeline, RequestRefused, Tick, TimelineRequest, Tweet
from contracts.text_ids import EventCodec

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"

# Events may have their ids as strings.
READ = (Tweet, Engagement, TimelineRequest)
AS_DECLARED = (Tick, RankedTimeline, RequestRefused, DeadLetter)


def schemas() -> dict[str, str]:
    """File name -> its text."""
    types = {record.__name__: EventCodec(record).accepted for record in READ}
    types |= {record.__name__: record for record in AS_DECLARED}
    return {f"{name}.json": _text(name, accepted) for name, accepted in types.items()}


def _text(name: str, accepted: type[msgspec.Struct]) -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        **msgspec.json.schema(accepted),
    }
    return json.dumps(_portable(schema), indent=2) + "\n"


def _portable(schema: Any) -> Any:
    r"""The schema with patterns that any regular expression engine reads: `\Z` is Python's."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\Z", "$") if key == "pattern" else _portable(value) for key, value in schema.items()
        }
    return [_portable(item) for item in schema] if isinstance(schema, list) else schema


def main() -> None:
    """Rewrite the folder."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()

"""Reads fields of decoded JSON of uncertain shape: a field may be absent, but a wrong type is `malformed`."""

from typing import Any

from contracts.errors import BadRecord
from contracts.records import MAX_TWEET_BYTES
from sources.values import clean_text, parse_id

_MAX_NAME = 100


def as_dict(holder: dict[str, Any], field: str) -> dict[str, Any]:
    """The object at `field`; empty if it is absent or null."""
    value = holder.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRecord("malformed", f"`{field}` is {type(value).__name__}, expected an object")
    return value


def as_list(holder: dict[str, Any], field: str) -> list[Any]:
    """The list at `field`, with any items; empty if it is absent or null."""
    value = holder.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadRecord("malformed", f"`{field}` is {type(value).__name__}, expected a list")
    return value


def dicts(holder: dict[str, Any], field: str) -> list[dict[str, Any]]:
    """The list of objects at `field`; empty if it is absent or null."""
    items = as_list(holder, field)
    if not all(isinstance(item, dict) for item in items):
        raise BadRecord("malformed", f"`{field}` is no list of objects")
    return items


def as_text(holder: dict[str, Any], field: str) -> str | None:
    """The string at `field`; None if it is absent, null or empty."""
    value = holder.get(field)
    if value is not None and not isinstance(value, str):
        raise BadRecord("malformed", f"`{field}` is {type(value).__name__}, expected a string")
    return value or None


def required(holder: dict[str, Any], field: str) -> str:
    """The string at `field`. Raises `BadRecord` (`missing_field`) if there is none."""
    value = as_text(holder, field)
    if value is None:
        raise BadRecord("missing_field", f"`{field}` is missing")
    return value


def id_of(holder: dict[str, Any], *fields: str) -> int | None:
    """The first id present among `fields`, or None."""
    for field in fields:
        value = holder.get(field)
        if value is not None:
            return parse_id(value, f"`{field}`")
    return None


def names(entities: dict[str, Any], field: str, *parts: str) -> list[str]:
    """The names of the entities in the list: for each, the first of `parts` that it has. Omits names too long."""
    found = []
    for entity in dicts(entities, field):
        value = next((entity[part] for part in parts if isinstance(entity.get(part), str)), None)
        if value and len(value) <= (MAX_TWEET_BYTES if field == "urls" else _MAX_NAME):
            found.append(clean_text(value))
    return found

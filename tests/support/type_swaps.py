"""A decoded JSON value with another type at one place: what a producer's bug, or an attacker, sends."""

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]

# One of every type that JSON has, and of each the values at its edges.
OTHERS: tuple[Any, ...] = (
    None, True, 0, 1, -1, 2**63, 2**70, 1.5, -1e300, "", "x", "7", "\ud800", [], [1], ["x"], [[]], [{}], {}, {"a": 1},
)  # fmt: skip


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """Every place in a value, the whole of it first."""
    yield here
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from paths(child, (*here, name))


def swapped(value: Any) -> Iterator[tuple[Path, Any, Any]]:
    """(path, what stands there now, the whole) for every place and every one of `OTHERS`."""
    for path in paths(value):
        for other in OTHERS:
            yield path, other, _with(value, path, other)


def _with(value: Any, path: Path, other: Any) -> Any:
    if not path:
        return other
    changed = copy.deepcopy(value)
    holder = changed
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = other
    return changed

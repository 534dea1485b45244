"""Measures the bytes of an object, with everything that it refers to."""

import sys
from collections import deque
from typing import Any

import numpy as np


def bytes_of(value: Any) -> int:
    """Bytes of `value` and of everything reachable through attributes and containers, each object counted once.

    An array counts its buffer, a view the whole buffer under it; other objects count `sys.getsizeof`. Classes,
    functions and modules are not followed.
    """
    seen: set[int] = set()
    waiting, total = [value], 0
    while waiting:
        here = waiting.pop()
        if isinstance(here, np.ndarray):
            while isinstance(here.base, np.ndarray):
                here = here.base
        if id(here) in seen or isinstance(here, type) or callable(here):
            continue
        seen.add(id(here))
        total += here.nbytes if isinstance(here, np.ndarray) else sys.getsizeof(here)
        waiting += _parts(here)
    return total


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str | bytes | int | float | np.ndarray | np.generic):
        return []
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    parts = [getattr(value, name) for name in names if hasattr(value, name) and name != "__weakref__"]
    return [*parts, *vars(value).values()] if hasattr(value, "__dict__") else parts

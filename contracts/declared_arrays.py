"""Named arrays read from a file, checked against what they were declared to be.

Compiled kernels check no bounds, so what they read has to have the declared shapes and dtypes when it is loaded.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.errors import SnapshotInvalid

Declared = Mapping[str, tuple[type[np.generic], tuple[int | None, ...]]]  # name -> (dtype, shape); None = any length


def checked(what: str, arrays: Mapping[str, NDArray[Any]], declared: Declared) -> list[NDArray[Any]]:
    """The arrays, in the order in which they are declared.

    what: what they are, for people. Raises `SnapshotInvalid` unless they are exactly those declared.
    """
    if arrays.keys() != declared.keys():
        differing = ", ".join(sorted(arrays.keys() ^ declared.keys()))
        raise SnapshotInvalid(f"{what}: arrays are missing, or there are others than declared: {differing}")
    for name, (dtype, shape) in declared.items():
        array = arrays[name]
        if array.dtype != dtype or not _fits(array.shape, shape):
            wanted = ", ".join("any length" if length is None else str(length) for length in shape)
            raise SnapshotInvalid(
                f"{what}: {name} is {array.dtype} of shape {list(array.shape)}, not {dtype.__name__} of [{wanted}]"
            )
    return [arrays[name] for name in declared]


def _fits(found: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    return len(found) == len(shape) and all(want in (None, have) for have, want in zip(found, shape, strict=True))

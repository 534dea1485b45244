"""Counter-based random numbers: a draw is a hash of (key, id), so the order of calls cannot change it.

uniform = top 53 bits of splitmix64(key + id * odd constant), as in Steele, Lea and Flood (2014), vectorised. Draws of
consecutive ids look independent, which is all that a simulation needs.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F64

_MASK = (1 << 64) - 1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def draw_key(*parts: object) -> int:
    """A 64-bit key of a family of draws, hashed from the text of the parts."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def uniforms(key: int, ids: NDArray[np.integer]) -> F64:
    """float64[n] in [0, 1): one draw of the family `key` for each of `ids` (any integer dtype, [n])."""
    x = ids.astype(np.uint64) * _GOLDEN + np.uint64(key & _MASK)
    for _ in range(2):
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normals(key: int, ids: NDArray[np.integer]) -> F64:
    """float64[n], standard normal (Box-Muller), one draw for each of `ids`."""
    radius = np.sqrt(-2.0 * np.log1p(-uniforms(key, ids)))
    return radius * np.cos(2.0 * np.pi * uniforms(key ^ 0x5DEECE66D, ids))

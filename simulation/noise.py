"""Random numbers by name: a draw is a hash of what it is for, so no order of calls can change it.

uniform = top 53 bits of splitmix64(key + id * odd constant), as in Steele, Lea and Flood (2014). Vectorised; the
sequence over consecutive ids passes for independent, which is all that a simulation needs.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def draw_key(*parts: object) -> int:
    """64 bits out of the parts' text: the name of a family of draws."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def uniforms(key: int, ids: NDArray[np.integer]) -> NDArray[np.float64]:
    """float64[n] in [0, 1): one draw of the family `key` for each id (any integer dtype, [n])."""
    x = ids.astype(np.uint64) * _GOLDEN + np.uint64(key & _MASK)
    for _ in range(2):
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normals(key: int, ids: NDArray[np.integer]) -> NDArray[np.float64]:
    """float64[n], standard normal (Box and Muller), one for each id."""
    radius = np.sqrt(-2.0 * np.log1p(-uniforms(key, ids)))
    return radius * np.cos(2.0 * np.pi * uniforms(key ^ 0x5DEECE66D, ids))

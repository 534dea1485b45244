"""Fresh embedding rows: a pure function of (key, generation), never of a global random generator.

Element j of a row is element j of a SplitMix64 stream (Steele, Lea and Flood 2014) that is seeded by mixing key and
generation, its top 24 bits mapped onto [-scale, scale). Rows that no admitted key owns (the rare region, the bins)
take their index as key and, as generation, a domain that no admitted key can have, so they never share a row with one
by design. Golden-tested: every version of the trainer must draw the same rows.
"""

import numpy as np
from numpy.typing import NDArray

from contracts.arrays import F32, U64

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

# Generations of admitted keys have 32 bits, so they never reach these.
RARE_DOMAIN = 1 << 32
BIN_DOMAIN = 2 << 32


def _mix(x: U64) -> U64:
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


def fresh_rows(
    keys: U64,  # [n]
    generations: NDArray[np.integer],  # [n], or a domain above 32 bits
    dim: int,
    scale: float,
) -> F32:
    """float32[n, dim], uniform in [-scale, scale)."""
    seeds = _mix(keys.astype(np.uint64) + _GOLDEN)
    seeds = _mix(seeds ^ (generations.astype(np.uint64) * _GOLDEN))
    steps = np.arange(1, dim + 1, dtype=np.uint64) * _GOLDEN
    bits = _mix(seeds[:, None] + steps[None, :]) >> np.uint64(40)
    unit = bits.astype(np.float32) * np.float32(2.0**-23) - np.float32(1.0)
    return unit * np.float32(scale)


def fresh_region(count: int, domain: int, dim: int, scale: float) -> F32:
    """float32[count, dim]: fresh rows 0 to count of a domain."""
    indices = np.arange(count, dtype=np.uint64)
    return fresh_rows(indices, np.full(count, domain, np.uint64), dim, scale)

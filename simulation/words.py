"""Made-up words, user names and hashtags: pronounceable, distinct, and a function of the generator alone."""

import numpy as np

from contracts.arrays import F64, I64

_ONSETS = (
    "b",
    "br",
    "c",
    "d",
    "dr",
    "f",
    "fl",
    "g",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "v",
    "w",
)
_NUCLEI = ("a", "e", "i", "o", "u", "ai", "ou")
_CODAS = ("", "", "", "", "", "n", "r", "s", "l", "m", "x")


def make_words(rng: np.random.Generator, count: int, syllables: tuple[int, int] = (1, 3)) -> list[str]:
    """`count` distinct words. `syllables`: (fewest, most) per word."""
    found: dict[str, None] = {}
    while len(found) < count:
        lengths = rng.integers(syllables[0], syllables[1] + 1, size=count)
        picks = rng.integers(0, 1 << 30, size=(count, syllables[1], 3))
        for length, pick in zip(lengths.tolist(), picks.tolist(), strict=True):
            parts = [
                _ONSETS[a % len(_ONSETS)] + _NUCLEI[b % len(_NUCLEI)] + _CODAS[c % len(_CODAS)]
                for a, b, c in pick[:length]
            ]
            found["".join(parts)] = None
    return list(found)[:count]


def zipf_cumulative(count: int, exponent: float) -> F64:
    """float64[count], cumulative shares of ranks 1..count, each of weight rank^-exponent; for `draw`."""
    weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    cumulative: F64 = np.cumsum(weights / weights.sum())
    return cumulative


def draw(rng: np.random.Generator, cumulative: F64, size: int) -> I64:
    """int64[size], indices drawn by the shares whose cumulative sums are `cumulative`."""
    found = np.searchsorted(cumulative, rng.random(size), side="right")
    return np.minimum(found, len(cumulative) - 1).astype(np.int64)

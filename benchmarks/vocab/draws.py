"""Synthetic keys: uniform 64-bit hashes, drawn as words are, by a Zipf law. The same for the same seed."""

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

NEW_SHARE = 0.05  # of a window's tokens: keys that were never seen before


def live_keys(n: int, seed: int) -> U64:
    """n distinct keys, ascending."""
    rng = np.random.default_rng(seed)
    drawn = np.unique(rng.integers(0, 2**64, n + n // 1000 + 16, dtype=np.uint64))
    return np.sort(rng.permutation(drawn)[:n])


class Draws:
    """Tokens over live keys: the key of rank r comes with probability proportional to 1 / r."""

    def __init__(self, live: U64, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._by_rank = self._rng.permutation(live)

    def zipf(self, count: int) -> U64:
        """Tokens by rank: most of them of few keys."""
        n = len(self._by_rank)
        log_uniform = np.exp(self._rng.random(count) * np.log(n + 1))  # which is Zipf's law of exponent 1
        ranks = log_uniform.astype(np.int64) - 1
        return self._by_rank[np.minimum(ranks, n - 1)]

    def uniform(self, count: int) -> U64:
        """Tokens all over the keys: what a cache helps least."""
        return self._by_rank[self._rng.integers(0, len(self._by_rank), count)]

    def window(self, count: int) -> U64:
        """The tokens of one window: by rank, and `NEW_SHARE` of them new."""
        fresh = round(count * NEW_SHARE)
        tokens = np.concatenate([self.zipf(count - fresh), self._rng.integers(0, 2**64, fresh, dtype=np.uint64)])
        return self._rng.permutation(tokens)

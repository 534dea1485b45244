"""Synthetic keys: uniform 64-bit hashes, drawn by Zipf's law as words are. The same for the same seed."""

import numpy as np

from contracts.arrays import U64

NEW_SHARE = 0.05  # share of a window's tokens whose keys are new


def live_keys(n: int, seed: int) -> U64:
    """n distinct keys, ascending."""
    rng = np.random.default_rng(seed)
    drawn = np.unique(rng.integers(0, 2**64, n + n // 1000 + 16, dtype=np.uint64))
    return np.sort(rng.permutation(drawn)[:n])


class Draws:
    """Draws tokens from live keys: the key of rank r has a probability proportional to 1 / r."""

    def __init__(self, live: U64, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._by_rank = self._rng.permutation(live)

    def zipf(self, count: int) -> U64:
        """Tokens by Zipf's law: few keys make most of them."""
        n = len(self._by_rank)
        # A log-uniform rank follows Zipf's law with exponent 1.
        log_uniform = np.exp(self._rng.random(count) * np.log(n + 1))
        ranks = log_uniform.astype(np.int64) - 1
        return self._by_rank[np.minimum(ranks, n - 1)]

    def uniform(self, count: int) -> U64:
        """Tokens with all keys equally likely, which helps caches least."""
        return self._by_rank[self._rng.integers(0, len(self._by_rank), count)]

    def window(self, count: int) -> U64:
        """The tokens of one window: by Zipf's law, with a share `NEW_SHARE` of new keys."""
        fresh = round(count * NEW_SHARE)
        tokens = np.concatenate([self.zipf(count - fresh), self._rng.integers(0, 2**64, fresh, dtype=np.uint64)])
        return self._rng.permutation(tokens)

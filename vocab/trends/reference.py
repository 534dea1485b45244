"""`Trends` in plain Python: a dictionary of counts, one row at a time. Slow; `Trends` must equal it."""

from collections.abc import Iterable, Mapping
from math import log

from vocab.decay import add_one, decay_one, factor
from vocab.namespaces import SPELLED

SPANS_MS = (300_000, 3_600_000, 86_400_000, 604_800_000, 2_419_200_000)  # 5 min, 1 h, 24 h, 7 d, 28 d


class ReferenceTrends:
    """(key, language, 0 for all of them together) -> its decayed counts, one for each span."""

    def __init__(self, window_ms: int) -> None:
        self.half_lives = [span_ms / window_ms * log(2) for span_ms in SPANS_MS]
        self.rows: dict[tuple[int, int], list[int]] = {}

    def decide(
        self,
        elapsed: int,
        admitted: Iterable[int],
        counted: Mapping[tuple[int, int], tuple[int, int]],
        shards: int,
        per_shard: int,
    ) -> None:
        """One decision. counted: (key, language) -> (namespace, occurrences) of the window."""
        held = set(admitted)
        lefts = [factor(half, elapsed) for half in self.half_lives]
        self.rows = {
            (key, language): [decay_one(count, left) for count, left in zip(counts, lefts, strict=True)]
            for (key, language), counts in self.rows.items()
            if key in held
        }
        for key in held:
            self.rows.setdefault((key, 0), [0] * len(SPANS_MS))
        for (key, language), (namespace, occurrences) in counted.items():
            if key in held:
                self._add((key, 0), occurrences)
                if namespace in SPELLED:
                    self._add((key, language), occurrences)
        for shard in range(shards):
            here = [row for row in self.rows if row[1] and row[0] * shards >> 64 == shard]
            here.sort(key=lambda row: (-self.rows[row][3], row))
            for row in here[2 * per_shard :]:
                del self.rows[row]

    def _add(self, row: tuple[int, int], occurrences: int) -> None:
        counts = self.rows.setdefault(row, [0] * len(SPANS_MS))
        self.rows[row] = [add_one(count, occurrences) for count in counts]


def movement(counts: list[int], horizon: int, window_ms: int, windows: int) -> tuple[float, float]:
    """(velocity in occurrences an hour, score), by sums over windows instead of closed forms."""
    weights = [[2.0 ** (-age / (span_ms / window_ms * log(2))) for age in range(windows)] for span_ms in SPANS_MS]
    here, longer = sum(weights[horizon]), sum(weights[horizon + 1])
    expected = counts[horizon + 1] / 2**32 / longer * here
    change = counts[horizon] / 2**32 - expected
    return change / (here * window_ms / 3_600_000), change / (expected + 4) ** 0.5

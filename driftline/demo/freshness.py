"""Freshness: the time from an engagement to the first served score whose model has learned from it.

For an example with an engagement, at offset o of partition p of `examples`:

    version  = the first version on `models` whose offsets[p] > o             (it has learned from the example)
    served   = the earliest append time, by the broker's clock, of a timeline in `timelines-ranked` whose
               model_version is that version or a later one                   (later ones have learned from it too)
    latency  = served - the append time of the engagement (`engaged_append_ms`, the same clock)

Both times are from the same broker, so no two clocks are compared. Examples that no served model has learned from
by the end count as waiting, and are not part of the median.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from contracts.arrays import I64

_STEP_MS = 10  # resolution of the latency histogram
_STEPS = 60_000  # ten minutes; longer latencies count in the last step


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies of engaged examples.

    completed: how many a served model has learned from. waiting: how many not. median_ms, p90_ms: of the completed
    ones, None if there are none.
    """

    median_ms: int | None
    p90_ms: int | None
    completed: int
    waiting: int


class FreshnessMeter:
    """Measures freshness over the log of `examples`, one record at a time, in constant memory.

    publications: (version, offsets) of each model, in the order published.
    first_served_ms: model version -> earliest append time of a timeline that it ranked.
    """

    def __init__(
        self, publications: Sequence[tuple[int, Mapping[int, int]]], first_served_ms: Mapping[int, int]
    ) -> None:
        self._learned_through: dict[int, I64] = {}
        for partition in {p for _, offsets in publications for p in offsets}:
            through = np.array([offsets.get(partition, 0) for _, offsets in publications], np.int64)
            self._learned_through[partition] = np.maximum.accumulate(through)
        self._served_ms = _served_from(np.array([v for v, _ in publications], np.int64), first_served_ms)
        self._histogram = np.zeros(_STEPS, np.int64)
        self._waiting = 0

    def observe(self, partition: int, offset: int, engaged_append_ms: I64) -> None:
        """Observe one record of `examples`. engaged_append_ms: int64[n], 0 where there was no engagement."""
        engaged = engaged_append_ms[engaged_append_ms > 0]
        through = self._learned_through.get(partition, np.empty(0, np.int64))
        publication = int(np.searchsorted(through, offset, side="right"))
        served_ms = self._served_ms[publication] if publication < len(through) else _NEVER
        if served_ms == _NEVER:
            self._waiting += len(engaged)
            return
        steps = np.clip((served_ms - engaged) // _STEP_MS, 0, _STEPS - 1)
        self._histogram += np.bincount(steps, minlength=_STEPS)

    def result(self) -> Freshness:
        """The freshness of everything observed so far."""
        return Freshness(
            median_ms=self._quantile(0.5),
            p90_ms=self._quantile(0.9),
            completed=int(self._histogram.sum()),
            waiting=self._waiting,
        )

    def _quantile(self, share: float) -> int | None:
        total = int(self._histogram.sum())
        if total == 0:
            return None
        step = int(np.searchsorted(np.cumsum(self._histogram), share * total))
        return step * _STEP_MS


_NEVER = np.iinfo(np.int64).max


def _served_from(versions: I64, first_served_ms: Mapping[int, int]) -> I64:
    """int64[n], for each publication: the earliest append time of a timeline of that version or a later one."""
    own = np.array([first_served_ms.get(int(version), _NEVER) for version in versions], np.int64)
    return np.minimum.accumulate(own[::-1])[::-1]

"""How long it takes from an engagement to the first served score whose model has learned from it.

For one labelled example that an engagement made positive, at offset o of `examples` partition p:

    version  = the first one in the log `models` whose offsets[p] > o         (it has learned from the example)
    served   = the earliest append time, by the broker's clock, of a timeline in `timelines-ranked` whose
               model_version is that one or a later one                       (later ones have learned from it too)
    latency  = served - the append time of the engagement (`engaged_append_ms`, the same clock)

Both ends are stamps of one broker, so no clocks are compared. Examples that no served model has learned from by the
end are counted as waiting, and are not in the median: it is the median of what has come full circle.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

_STEP_MS = 10  # resolution of the histogram that the median comes from
_STEPS = 60_000  # ten minutes; what takes longer counts in the last step


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """median_ms and p90_ms are None where nothing came full circle. completed, waiting: engaged examples."""

    median_ms: int | None
    p90_ms: int | None
    completed: int
    waiting: int


class FreshnessMeter:
    """Takes in the `examples` log batch by batch, in memory that does not grow with it.

    publications: (version, offsets) of each model in the order published.
    first_served_ms: model version -> earliest append time of a timeline ranked with it.
    """

    def __init__(
        self, publications: Sequence[tuple[int, Mapping[int, int]]], first_served_ms: Mapping[int, int]
    ) -> None:
        self._learned_through: dict[int, NDArray[np.int64]] = {}
        for partition in {p for _, offsets in publications for p in offsets}:
            through = np.array([offsets.get(partition, 0) for _, offsets in publications], np.int64)
            self._learned_through[partition] = np.maximum.accumulate(through)
        self._served_ms = _served_from(np.array([v for v, _ in publications], np.int64), first_served_ms)
        self._histogram = np.zeros(_STEPS, np.int64)
        self._waiting = 0

    def observe(self, partition: int, offset: int, engaged_append_ms: NDArray[np.int64]) -> None:
        """One record of `examples`; engaged_append_ms: int64[n], 0 where there was no engagement."""
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
        """What has been observed so far."""
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


def _served_from(versions: NDArray[np.int64], first_served_ms: Mapping[int, int]) -> NDArray[np.int64]:
    """For each publication, the earliest append time of a timeline of that version or a later publication's."""
    own = np.array([first_served_ms.get(int(version), _NEVER) for version in versions], np.int64)
    return np.minimum.accumulate(own[::-1])[::-1]

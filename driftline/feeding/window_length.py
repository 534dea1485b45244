"""Chooses a window length for a span of events: a round number, and short enough for many decisions."""

import numpy as np

from contracts.arrays import I64

FEWEST_WINDOWS = 200  # windows with events: fewer decisions would not show how vocabulary and bins drift
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000

# Round lengths. Neighbours differ by a factor of at most two, so that events spread evenly over a span get between
# FEWEST_WINDOWS and twice as many windows.
WINDOW_LENGTHS_MS = (
    *(n * _SECOND for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * _MINUTE for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * _DAY for n in (1, 2, 4, 7, 14, 28, 56)),
)


def window_of_events_ms(event_ms: I64) -> int:
    """The longest round window with which at least FEWEST_WINDOWS hold one of the events int64[n]; else 1 s.

    For bursts of events that are years apart, it is on the scale of the bursts: empty windows cost almost nothing.
    """
    for window_ms in reversed(WINDOW_LENGTHS_MS):
        if len(np.unique(event_ms // window_ms)) >= FEWEST_WINDOWS:
            return window_ms
    return WINDOW_LENGTHS_MS[0]

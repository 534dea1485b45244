"""The window length that suits a stretch of events: long enough to read, short enough for many decisions."""

import numpy as np
from numpy.typing import NDArray

FEWEST_WINDOWS = 200  # with events in them: a vocabulary and bins need so many decisions to be seen drifting
_SECOND, _MINUTE, _HOUR, _DAY = 1_000, 60_000, 3_600_000, 86_400_000

# Lengths that people read easily. Neighbours differ by a factor of two at most, so that events spread evenly over a
# span have between FEWEST_WINDOWS and twice as many.
WINDOW_LENGTHS_MS = (
    *(n * _SECOND for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * _MINUTE for n in (1, 2, 3, 5, 10, 15, 20, 30)),
    *(n * _HOUR for n in (1, 2, 3, 4, 6, 8, 12)),
    *(n * _DAY for n in (1, 2, 4, 7, 14, 28, 56)),
)


def window_length_ms(length_ms: int) -> int:
    """The longest readable window of which `length_ms` still holds FEWEST_WINDOWS; 1 s for a very short span."""
    fitting = [window for window in WINDOW_LENGTHS_MS if length_ms >= FEWEST_WINDOWS * window]
    return fitting[-1] if fitting else WINDOW_LENGTHS_MS[0]


def window_of_events_ms(event_ms: NDArray[np.int64]) -> int:
    """The longest readable window of which at least FEWEST_WINDOWS hold one of the events [n]; 1 s if none does.

    Events in bursts, years apart, so get windows of the bursts' own scale: empty windows cost next to nothing.
    """
    for window_ms in reversed(WINDOW_LENGTHS_MS):
        if len(np.unique(event_ms // window_ms)) >= FEWEST_WINDOWS:
            return window_ms
    return WINDOW_LENGTHS_MS[0]

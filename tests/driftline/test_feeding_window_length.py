"""Window lengths that suit the events."""

import numpy as np
import pytest

from driftline.feeding import window_length

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
BEGIN_MS = 1_700_000_000_000


def evenly(length_ms: int, n: int = 10_000) -> np.ndarray:
    return np.linspace(BEGIN_MS, BEGIN_MS + length_ms, n).astype(np.int64)


@pytest.mark.parametrize("length_ms", [10 * 60_000, HOUR_MS, 4 * HOUR_MS, 9 * DAY_MS, 365 * DAY_MS, 8 * 365 * DAY_MS])
def test_an_even_span_gets_200_to_400_windows(length_ms: int) -> None:
    windows = np.unique(evenly(length_ms) // window_length.window_of_events_ms(evenly(length_ms)))
    assert 200 <= len(windows) <= 402  # the ends may cut a window each


def test_bursts_years_apart_get_windows_of_their_own_scale() -> None:
    bursts = np.concatenate([evenly(2 * DAY_MS, 3_000) + year * 365 * DAY_MS for year in range(6)])
    window_ms = window_length.window_of_events_ms(bursts)
    assert window_ms <= 2 * HOUR_MS
    assert len(np.unique(bursts // window_ms)) >= window_length.FEWEST_WINDOWS


def test_a_span_too_short_for_windows_gets_the_shortest() -> None:
    assert window_length.window_of_events_ms(evenly(5_000)) == 1_000

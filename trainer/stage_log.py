"""Says where a trainer stands: seldom if nothing changes, and never many times a second."""

import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)

LEAST_S = 10.0  # between two lines
REPEAT_S = 120.0  # between two that say the same


class StageLog:
    """Lines of where the trainer stands. clock_us: monotonic, in microseconds."""

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._stage, self._said, self._said_us = "", "", 0

    def say(self, stage: str, text: str) -> None:
        """Log `stage` and `text`: at once if the stage is another than before, else seldom."""
        now = self._clock_us()
        wait_s = 0.0 if stage != self._stage else REPEAT_S if text == self._said else LEAST_S
        if now - self._said_us >= wait_s * 1_000_000:
            self._stage, self._said, self._said_us = stage, text, now
            _log.info("%s%s", stage, text)

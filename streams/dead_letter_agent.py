"""The Faust agent that watches the dead-letter topics: it counts letters by topic and reason, and logs the first.

A burst gets one line: after a letter is logged, others of its topic and reason are counted for a minute, and their
number is logged with the next one.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from contracts.codec import Codec
from contracts.errors import BadRecord
from contracts.records import DeadLetter
from transport.metrics import DEAD_LETTERS

log = logging.getLogger(__name__)

BURST_S = 60.0

_deserialize = Codec(DeadLetter).deserialize


class Bursts:
    """Logs one letter of each topic and reason a minute. clock_s: monotonic, in seconds."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}  # when one was logged, and how many came since

    def log(self, letter: DeadLetter) -> None:
        """Log the letter, or count it with the burst that it is part of."""
        now, key = self._clock_s(), (letter.topic, letter.reason)
        logged_s, since = self._logged.get(key, (float("-inf"), 0))
        if now - logged_s < BURST_S:
            self._logged[key] = logged_s, since + 1
            return
        self._logged[key] = now, 0
        log.warning(
            "dead letter: %s from %s[%d]@%d: %s%s; `driftline dead-letters list` shows all",
            letter.reason,
            letter.topic,
            letter.partition,
            letter.offset,
            letter.detail,
            f" (and {since:,} more like it since the last line)" if since else "",
        )


async def watch_dead_letters(stream: Any) -> None:
    """Count every dead letter of the installation, one at a time, because there are few."""
    bursts = Bursts(time.monotonic)
    async for value in stream:
        try:
            letter = _deserialize(value)
        except BadRecord as error:
            log.warning("malformed dead letter: %s", error)
            continue
        DEAD_LETTERS.labels(topic=letter.topic, reason=letter.reason).inc()
        bursts.log(letter)

"""Waiting for a server that is not there: doubling pauses, and a log line for each, never a stack trace."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from contracts.errors import ServerUnavailable

log = logging.getLogger(__name__)

FIRST_S = 0.1
LONGEST_S = 5.0  # a server that comes back is noticed this much later at worst

ResultT = TypeVar("ResultT")


def pauses(first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> Iterator[float]:
    """Seconds to wait before each further attempt: doubling from `first_s` up to `longest_s`, without end."""
    pause = first_s
    while True:
        yield pause
        pause = min(2 * pause, longest_s)


def patiently(connect: Callable[[], ResultT], sleep: Callable[[float], None] = time.sleep) -> ResultT:
    """What `connect` returns, once it no longer raises `ServerUnavailable`. For processes that are to wait."""
    for pause in pauses():
        try:
            return connect()
        except ServerUnavailable as error:
            log.warning("%s; trying again in %.1f s", error, pause)
        sleep(pause)
    raise AssertionError("pauses() never ends")

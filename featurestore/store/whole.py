"""Marks of the parts of the store that are whole: what the log says, Redis holds.

A wiped Redis has no marks, and an owner that finds something lost takes its mark away until it has written it again.
Readers mark answers that were made of a store with a part that is not whole.
"""

import logging

from transport.ports.clock import Clock
from transport.ports.redis import Redis
from transport.system.clock import SYSTEM_CLOCK

log = logging.getLogger(__name__)

SAY_EVERY_US = 10_000_000


class WholeMark:
    """The mark of one part, as its one owner has it. key: in Redis. what: of the part, for the log."""

    def __init__(self, redis: Redis, key: bytes, what: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._redis, self._key, self._what, self._clock = redis, key, what, clock
        self._given = False
        self._until = self._said_us = 0

    async def withdraw(self, begin: int, until: int) -> None:
        """The part lacks what the log says from offset `begin` on; it is whole again at offset `until`."""
        await self._redis.delete(self._key)
        self._given, self._until, self._said_us = False, until, self._clock.monotonic_us()
        log.warning("Redis lacks %s: writing them again from offset %d to %d", self._what, begin, until)

    def reached(self, offset: int) -> None:
        """Say how far the writing is, now and then."""
        now_us = self._clock.monotonic_us()
        if self._until and now_us - self._said_us >= SAY_EVERY_US:
            self._said_us = now_us
            log.info("%s are in Redis again up to offset %d of %d", self._what, offset, self._until)

    async def give(self) -> None:
        """The part is whole."""
        if self._given:
            return
        await self._redis.claim(self._key, b"1")
        if self._until:
            log.warning("%s are in Redis again, up to offset %d", self._what, self._until)
        self._given, self._until = True, 0

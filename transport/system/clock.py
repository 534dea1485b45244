"""`transport.ports.clock.Clock` on the machine's clocks."""

import asyncio
import time


class SystemClock:
    """The clocks of this machine."""

    def now_ms(self) -> int:
        """By the wall clock."""
        return time.time_ns() // 1_000_000

    def monotonic_us(self) -> int:
        """By the monotonic clock."""
        return time.monotonic_ns() // 1_000

    async def sleep(self, seconds: float) -> None:
        """By the event loop."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK = SystemClock()

"""The clocks of a process, and waiting by them. `transport/system/clock.py` has the machine's own.

Neither decides what is computed: everything goes by the events' own times. A clock dates what is shown to people,
measures how long something took, and says when to try again. No call fails.
"""

from typing import Protocol


class Clock(Protocol):
    """One for a process; safe to call from several threads at once, `sleep` from its event loop."""

    def now_ms(self) -> int:
        """Milliseconds since 1970. May jump, also backwards, when the clock is set."""
        ...

    def monotonic_us(self) -> int:
        """Microseconds since some moment, never fewer than before: for differences within one process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long by `monotonic_us`, or a little longer; at 0, let other tasks run once."""
        ...

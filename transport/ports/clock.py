"""The clocks of a process, and sleeping. `transport/system/clock.py` implements the port by the machine's clocks.

Clocks never affect results, which depend on event times alone. They date what is shown to people, measure how long
something took, and say when to try again. No call fails.
"""

from typing import Protocol


class Clock(Protocol):
    """One per process. Safe to call from several threads at once; `sleep` only from the process's event loop."""

    def now_ms(self) -> int:
        """Milliseconds since 1970. May jump forwards or backwards when the clock is set."""
        ...

    def monotonic_us(self) -> int:
        """Microseconds since some fixed moment. Never decreases; for differences within one process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` by `monotonic_us`, or a little longer. 0 lets other tasks run once."""
        ...

"""The machine's clocks go by their units."""

import time

from transport.ports.clock import Clock
from transport.system.clock import SYSTEM_CLOCK


async def test_a_sleep_takes_its_time_by_both_clocks() -> None:
    clock: Clock = SYSTEM_CLOCK
    assert abs(clock.now_ms() / 1_000 - time.time()) < 60
    began_us = clock.monotonic_us()
    await clock.sleep(0.05)
    assert 49_000 <= clock.monotonic_us() - began_us < 60_000_000

"""The mark of a part of the store: taken away while it is written again, and how far that is."""

import pytest

from featurestore.store.whole import SAY_EVERY_US, WholeMark


class FakeRedis:
    """As much of the port as a mark uses."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    async def delete(self, key: bytes) -> None:
        self.values.pop(key, None)

    async def claim(self, key: bytes, value: bytes) -> bytes:
        return self.values.setdefault(key, value)


class FakeClock:
    def __init__(self) -> None:
        self.now_us = 0

    def monotonic_us(self) -> int:
        return self.now_us


async def test_a_part_is_whole_once_what_was_lost_is_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    redis, clock = FakeRedis(), FakeClock()
    mark = WholeMark(redis, b"mark", "tweets of partition 3", clock)  # type: ignore[arg-type]
    await mark.give()
    assert redis.values == {b"mark": b"1"}
    assert caplog.messages == []  # nothing was lost
    await mark.withdraw(100, 900)
    assert redis.values == {}
    for offset in range(100, 900, 100):
        clock.now_us += SAY_EVERY_US // 4
        mark.reached(offset)
    await mark.give()
    await mark.give()
    assert redis.values == {b"mark": b"1"}
    assert caplog.messages == [
        "Redis lacks tweets of partition 3: writing them again from offset 100 to 900",
        "tweets of partition 3 are in Redis again up to offset 400 of 900",
        "tweets of partition 3 are in Redis again up to offset 800 of 900",
        "tweets of partition 3 are in Redis again, up to offset 900",
    ]

"""Writes events as a declared replay: its ticks, and nothing else, move event time.

Readers do not believe an event that is further ahead of the newest tick than `time.lateness_ms`. So after a gap a
tick goes before the event. Events of one topic may be out of order by less than that.
"""

from collections import defaultdict
from collections.abc import Iterable

from contracts.settings import TimeSettings
from contracts.topics import Topic
from transport.kafka.record_writer import RecordWriter


class ReplayWriter:
    """Events and ticks of the replay that was declared with `epoch` (`transport/declare_time.py`)."""

    def __init__(self, writer: RecordWriter, settings: TimeSettings, epoch: int) -> None:
        self._writer = writer
        self._lateness_ms = settings.lateness_ms
        self._epoch = epoch
        self._ticks: dict[str, int] = defaultdict(int)

    async def send(self, topic: Topic, at_ms: int, key: bytes, value: bytes) -> None:
        """Send one event of event time `at_ms`. Raises `WriteFailed` if earlier records were refused."""
        if at_ms > self._ticks[topic.name] + self._lateness_ms:
            await self.tick([topic], at_ms - 1)
        await self._writer.send(topic, key, value)

    async def tick(self, topics: Iterable[Topic], tick_ms: int) -> None:
        """Say on every partition of `topics` that all events before `tick_ms` are written; no tick goes back."""
        for topic in topics:
            if tick_ms > self._ticks[topic.name]:
                self._ticks[topic.name] = tick_ms
                await self._writer.send_tick((topic,), tick_ms, self._epoch)

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything. Raises `WriteFailed`."""
        await self._writer.flush()

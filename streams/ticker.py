"""The live ticker of a worker. All workers run one, and the group `live-ticks` lets one of them write the ticks.

The group assigns the one partition of `event-time`, and whoever has it ticks (`streams/live_ticks.py`).
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from contracts.errors import ServerUnavailable
from contracts.settings import Settings
from contracts.topics import EVENT_TIME
from streams.live_ticks import open_live_ticks
from transport.backoff import pauses
from transport.ports.kafka import GroupConsumer, Kafka
from transport.ports.kafka_records import ConsumerLost, KafkaFailed, TopicPartition

log = logging.getLogger(__name__)

GROUP = "live-ticks"
TICK_S = 5.0  # an idle partition holds event time back by about this much


class LiveTicker:
    """`run` runs until `stop`."""

    def __init__(self, settings: Settings, kafka: Kafka, tick_s: float = TICK_S) -> None:
        self._settings = settings
        self._kafka = kafka
        self._tick_s = tick_s
        self._stopping = asyncio.Event()
        self._finished = asyncio.Event()
        self._finished.set()

    async def run(self) -> None:
        """Run until `stop`. Waits for a broker that is away."""
        self._finished.clear()
        try:
            for pause in pauses():
                try:
                    await self._be_member()
                    return
                except (KafkaFailed, ConsumerLost, ServerUnavailable) as error:
                    log.warning("live ticks: %s; trying again in %.1f s", error, pause)
                if await self._stopped_within(pause):
                    return
        finally:
            self._finished.set()

    async def stop(self) -> None:
        """Leave the group; then `run` returns."""
        self._stopping.set()
        await self._finished.wait()

    async def _stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _be_member(self) -> None:
        timeout_ms = self._settings.hop.session_timeout_ms
        async with self._kafka.member(GROUP, session_timeout_ms=timeout_ms) as consumer:
            if EVENT_TIME.name not in await consumer.topics():
                raise ServerUnavailable(
                    f"{self._kafka.address} has no topic {EVENT_TIME.name}: make it with `driftline topics apply`"
                )
            turn = _Turn()
            consumer.subscribe([EVENT_TIME.name], turn)
            while not await self._stopped_within(self._tick_s):
                consumer.check()
                if turn.ours:
                    await self._tick(turn, consumer)

    async def _tick(self, turn: "_Turn", consumer: GroupConsumer) -> None:
        """Tick while it is our turn."""
        with contextlib.ExitStack() as connected:
            try:
                ticks = await asyncio.to_thread(connected.enter_context, open_live_ticks(self._settings, self._kafka))
                while turn.ours:
                    consumer.check()
                    await asyncio.to_thread(ticks.write)
                    if await self._stopped_within(self._tick_s):
                        return
            finally:
                await asyncio.to_thread(connected.close)


class _Turn:
    """Whether the group has given this worker the turn: a `RebalanceListener`."""

    ours = False

    async def revoked(self) -> None:
        """See `RebalanceListener`."""
        self.ours = False

    async def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """See `RebalanceListener`."""
        self.ours = bool(partitions)

"""Faust services: each hosts one exactly-once hop, or the live ticker, for the life of a worker."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from mode import Service

from contracts.settings import Settings
from contracts.topics import (
    BIN_COUNTS,
    CANDIDATES_SERVED,
    ENGAGEMENTS,
    FEATURE_UPDATES,
    TWEETS,
    VOCAB_COUNTS,
    Topic,
)
from streams.bin_processor import BinProcessor
from streams.engagement_processor import EngagementProcessor
from streams.feature_processor import FeatureProcessor
from streams.ingest_processor import IngestProcessor
from streams.join_processor import JoinProcessor
from streams.retention import check_retention
from streams.ticker import LiveTicker
from streams.vocabulary_processor import VocabularyProcessor
from transport.hop.hop import ExactlyOnceHop, Processor
from transport.identity import claim
from transport.installation import installed_once_there
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka import Kafka
from transport.ports.redis import Redis
from transport.redis.connection import connect
from transport.waiting import once_available


class HopService(Service):
    """Runs one hop: started with the worker, drained when it stops."""

    def __init__(self, hop: ExactlyOnceHop, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hop = hop

    async def on_start(self) -> None:
        """Called by the `mode` library."""
        self.add_future(self.hop.run())

    async def on_stop(self) -> None:
        """Called by the `mode` library before it cancels the tasks that still run."""
        await self.hop.stop()

    @property
    def label(self) -> str:
        """The name of this service in Faust's logs."""
        return f"hop {self.hop.name}"


class TickerService(Service):
    """Runs the live ticker."""

    def __init__(self, ticker: LiveTicker, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._ticker = ticker

    async def on_start(self) -> None:
        """Called by the `mode` library."""
        self.add_future(self._ticker.run())

    async def on_stop(self) -> None:
        """Called by the `mode` library before it cancels the tasks that still run."""
        await self._ticker.stop()

    @property
    def label(self) -> str:
        """The name of this service in Faust's logs."""
        return "live ticker"


class StreamServices(Service):
    """Everything that a stream worker runs, as sub-services. If one fails, the worker shuts down cleanly."""

    def __init__(self, settings: Settings, **kwargs: Any) -> None:
        self._settings = settings
        self._redis: Redis | None = None
        super().__init__(**kwargs)

    async def on_start(self) -> None:
        """Called by the `mode` library."""
        self.add_future(self._begin())

    async def _begin(self) -> None:
        """Start the hops once there is an installation."""
        kafka = KafkaCluster(self._settings)
        settings = await installed_once_there(self._settings, kafka)
        await once_available(lambda: asyncio.to_thread(check_retention, settings, kafka))
        kafka = KafkaCluster(settings)
        self._redis = redis = connect(settings)
        await once_available(lambda: claim(redis, settings))
        for hop in make_hops(settings, kafka, redis):
            await self.add_runtime_dependency(HopService(hop))
        await self.add_runtime_dependency(TickerService(LiveTicker(settings, kafka)))

    async def on_shutdown(self) -> None:
        """Called by the `mode` library once the hops have stopped."""
        if self._redis is not None:
            await self._redis.aclose()


def make_hops(settings: Settings, kafka: Kafka, redis: Redis) -> list[ExactlyOnceHop]:
    """One of each hop; Kafka's group protocol spreads their partitions over the workers."""

    def hop(name: str, topics: Sequence[Topic], make_processor: Callable[[int], Processor]) -> ExactlyOnceHop:
        return ExactlyOnceHop(
            kafka,
            name,
            topics,
            make_processor,
            partitions=topics[0].partitions(settings),
            max_records=settings.hop.batch_records,
            linger_ms=settings.hop.linger_ms,
            session_timeout_ms=settings.hop.session_timeout_ms,
        )

    return [
        hop("ingest", [TWEETS], lambda p: IngestProcessor(settings, kafka, p, redis)),
        hop("engagements", [ENGAGEMENTS], lambda p: EngagementProcessor(settings, p)),
        hop("join", [CANDIDATES_SERVED, ENGAGEMENTS], lambda p: JoinProcessor(settings, p)),
        hop("vocabulary", [VOCAB_COUNTS], lambda p: VocabularyProcessor(settings, kafka, p, redis)),
        hop("bins", [BIN_COUNTS], lambda p: BinProcessor(settings, kafka, p, redis)),
        hop("features", [FEATURE_UPDATES], lambda p: FeatureProcessor(settings, kafka, p, redis)),
    ]

"""Freshness while the pipeline runs: of tweets in the feature store, and of engagements in served scores."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator

import numpy as np

from contracts.settings import Settings
from driftline.demo.freshness import Freshness, FreshnessMeter
from driftline.inspect.examples import read_examples
from driftline.inspect.models import read_models
from driftline.inspect.timelines import read_timelines
from featurestore.store.reader import FeatureReader
from transport.redis.connection import connect

POLL_S = 0.005


class ReadableMeter:
    """Measures the time from sending a tweet until the store returns it, by this process's clock."""

    def __init__(self, reader: FeatureReader) -> None:
        self._reader = reader
        self._watching: list[asyncio.Task[float]] = []

    @staticmethod
    @contextlib.asynccontextmanager
    async def watching(settings: Settings) -> AsyncIterator["ReadableMeter"]:
        """A meter on the store of `settings`. The block ends once everything sent is readable."""
        redis = connect(settings)
        meter = ReadableMeter(FeatureReader(redis, settings))
        try:
            yield meter
            await asyncio.gather(*meter._watching)
        finally:
            await redis.aclose()

    def sent(self, tweet_id: int) -> None:
        """Record that a tweet was sent just now."""
        self._watching.append(asyncio.create_task(self._until_readable(tweet_id, time.perf_counter())))

    async def _until_readable(self, tweet_id: int, sent_s: float) -> float:
        while tweet_id not in await self._reader.read_tweets([tweet_id]):
            await asyncio.sleep(POLL_S)
        return time.perf_counter() - sent_s

    def milliseconds(self) -> tuple[float, float]:
        """(median, 90th percentile) of the times in milliseconds."""
        times = [watched.result() * 1e3 for watched in self._watching]
        return statistics.median(times), statistics.quantiles(times, n=10)[-1]


def served_freshness(settings: Settings, since_ms: int) -> Freshness:
    """Freshness, as in `driftline/demo/freshness.py`, of engagements appended since `since_ms` (broker's clock)."""
    first_served_ms: dict[int, int] = {}
    for record, timeline in read_timelines(settings):
        if timeline.model_version is not None:
            first_served_ms.setdefault(timeline.model_version, record.timestamp)
    models = [(model.version, model.offsets) for model in read_models(settings, settings.trainer.name)]
    meter = FreshnessMeter(models, first_served_ms)
    for record, examples in read_examples(settings):
        appended = examples.engaged_append_ms
        meter.observe(record.partition, record.offset, np.where(appended >= since_ms, appended, 0))
    return meter.result()

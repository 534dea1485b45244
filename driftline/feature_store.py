"""The feature store for programs: reads features by name, as the models are served them.

    from driftline.feature_store import FeatureStore

    with FeatureStore.open() as store:
        found = store.get(["tweet.likes", "author.rate_recent"], tweet=[1700000000000000000])

It finds Redis as every command does: from `DRIFTLINE_REDIS`, `driftline.toml`, or the servers of `driftline up`. It
needs neither torch nor faust. `driftline features list` says which features there are.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Self, cast

from numpy.typing import ArrayLike

from contracts.settings import Settings
from contracts.settings_sources import load
from driftline.inspect.redis_values import with_partitions
from driftline.servers.background import resolve
from featurestore.store.feature_table import FeatureTable
from featurestore.store.query import query
from featurestore.store.redis_layout import Keys
from transport.identity import of_folder
from transport.redis.connection import connect, connect_blocking
from transport.redis.errors import unavailable_as_such


class FeatureStore:
    """A blocking client. Threads may share it; close it, or use it in `with`."""

    def __init__(self, settings: Settings) -> None:
        """settings: with the number of partitions; `open` finds it."""
        self._settings = settings
        self._redis = connect_blocking(settings)
        self._keys = Keys(settings)

    @classmethod
    def open(cls, settings: Settings | None = None) -> Self:
        """Connect. settings: those to use in place of the ones that commands have.

        Raises `ServerUnavailable`, and `SettingsError` for a Redis that holds another installation.
        """
        return cls(_found(settings))

    def get(
        self,
        features: Sequence[str],
        *,
        tweet: ArrayLike | None = None,
        author: ArrayLike | None = None,
        viewer: ArrayLike | None = None,
        at_ms: int | None = None,
    ) -> FeatureTable:
        """Features by name, for n rows of ids: arrays of n, or one id for all. `author` is by default the tweet's.

        at_ms: the event time that ages and sliding counts are as of, in milliseconds since 1970; now by default.
        Raises `QueryRefused` for a query that cannot be answered, and `ServerUnavailable`.
        """
        pane_ms = self._settings.features.pane_ms
        trips = query(features, self._keys, pane_ms, at_ms=_at(at_ms), tweet=tweet, author=author, viewer=viewer)
        try:
            keys = next(trips)
            while True:
                with unavailable_as_such(self._settings):
                    values = cast("list[bytes | None]", self._redis.mget(keys))
                keys = trips.send(values)
        except StopIteration as answered:
            return answered.value  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_block: object) -> None:
        self.close()


class AsyncFeatureStore:
    """`FeatureStore` for asyncio: the same, awaited. Tasks may share it; close it, or use it in `async with`."""

    def __init__(self, settings: Settings) -> None:
        """settings: with the number of partitions; `open` finds it."""
        self._settings = settings
        self._redis = connect(settings)
        self._keys = Keys(settings)

    @classmethod
    async def open(cls, settings: Settings | None = None) -> Self:
        """Connect, as `FeatureStore.open`."""
        return cls(await asyncio.to_thread(_found, settings))

    async def get(
        self,
        features: Sequence[str],
        *,
        tweet: ArrayLike | None = None,
        author: ArrayLike | None = None,
        viewer: ArrayLike | None = None,
        at_ms: int | None = None,
    ) -> FeatureTable:
        """As `FeatureStore.get`."""
        pane_ms = self._settings.features.pane_ms
        trips = query(features, self._keys, pane_ms, at_ms=_at(at_ms), tweet=tweet, author=author, viewer=viewer)
        try:
            keys = next(trips)
            while True:
                keys = trips.send(await self._redis.mget(keys))
        except StopIteration as answered:
            return answered.value  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *of_block: object) -> None:
        await self.aclose()


def _found(settings: Settings | None) -> Settings:
    return with_partitions(of_folder(resolve(load() if settings is None else settings)))


def _at(at_ms: int | None) -> int:
    return int(time.time() * 1000) if at_ms is None else at_ms

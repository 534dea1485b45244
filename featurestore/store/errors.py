"""Reading values such that a Redis that does not answer is never taken for one that knows nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.errors import DriftlineError
from contracts.settings import Settings
from transport.redis.connection import unavailable


class ViewWiped(DriftlineError):
    """An owner's part of the feature store is gone from Redis: `FeatureOwner.resume` again and read from there."""


@contextmanager
def unavailable_as_such(settings: Settings) -> Iterator[None]:
    """Raises `ServerUnavailable`, with the address and its setting, for whatever Redis could not do."""
    try:
        yield
    except RedisError as error:
        raise unavailable(settings, error) from error


async def read_values(redis: Redis, settings: Settings, keys: Sequence[bytes]) -> list[bytes | None]:
    """The values of `keys` in one round trip, None for a key that is absent. Raises `ServerUnavailable`."""
    if not keys:
        return []
    with unavailable_as_such(settings):
        return cast("list[bytes | None]", await redis.mget(keys))

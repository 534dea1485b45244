"""Connections to Redis with our settings: bytes in and out, retries with backoff."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from contracts.errors import SettingsError
from contracts.settings import Settings, masked
from transport.redis.client import RedisClient
from transport.redis.errors import unavailable_as_such

RETRIES = 5  # of one command, before its error reaches the caller: some 3 s in all
BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 1.0
TIMEOUT_S = 10.0  # of one answer; a script over thousands of keys takes some ms

_BACKOFF = ExponentialBackoff(cap=LONGEST_BACKOFF_S, base=BACKOFF_S)
_OPTIONS: Mapping[str, Any] = {
    "decode_responses": False,
    "socket_timeout": TIMEOUT_S,
    "socket_connect_timeout": TIMEOUT_S,
    "retry_on_error": [RedisConnectionError, RedisTimeoutError],
}


def connect(settings: Settings) -> RedisClient:
    """A client for asyncio. It connects at its first command; close it with `aclose()`.

    Raises `SettingsError` for what is no address of a Redis.
    """
    with _named(settings):
        client = AsyncRedis.from_url(settings.redis, **_OPTIONS, retry=AsyncRetry(_BACKOFF, RETRIES))
    return RedisClient(settings, client)


def connect_blocking(settings: Settings) -> Redis:
    """redis-py's own blocking client, for the command line and tests. Use it under `unavailable_as_such`.

    It connects at its first command.
    """
    with _named(settings):
        return Redis.from_url(settings.redis, **_OPTIONS, retry=Retry(_BACKOFF, RETRIES))


@contextlib.contextmanager
def _named(settings: Settings) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise SettingsError(
            f"DRIFTLINE_REDIS: {masked(settings.redis)!r} is no address of a Redis: {error}"
        ) from error


def check_reachable(settings: Settings) -> None:
    """Raises `ServerUnavailable` unless the Redis of the settings answers."""
    with unavailable_as_such(settings), connect_blocking(settings) as redis:
        redis.ping()

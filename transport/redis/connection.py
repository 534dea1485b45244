"""Connections to Redis with our settings: bytes in and out, retries with backoff, errors that name the address."""

from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from contracts.errors import ServerUnavailable
from contracts.settings import Settings, masked

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


def connect(settings: Settings) -> AsyncRedis:
    """An asyncio client. Connects at its first command; close it with `aclose()`."""
    return AsyncRedis.from_url(settings.redis, **_OPTIONS, retry=AsyncRetry(_BACKOFF, RETRIES))


def connect_blocking(settings: Settings) -> Redis:
    """A blocking client, for the command line and tests. Connects at its first command."""
    return Redis.from_url(settings.redis, **_OPTIONS, retry=Retry(_BACKOFF, RETRIES))


def unavailable(settings: Settings, error: BaseException) -> ServerUnavailable:
    """The error of a Redis that does not answer."""
    return ServerUnavailable(
        f"Redis does not answer at {masked(settings.redis)} (setting DRIFTLINE_REDIS): {error}; "
        "start it with `driftline up`, or set DRIFTLINE_REDIS to one that runs"
    )


async def check(settings: Settings, redis: AsyncRedis) -> None:
    """Raises `ServerUnavailable` unless `redis`, made by `connect(settings)`, answers."""
    try:
        await redis.ping()
    except RedisError as error:
        raise unavailable(settings, error) from error


def check_reachable(settings: Settings) -> None:
    """Raises `ServerUnavailable` unless the Redis of the settings answers."""
    with connect_blocking(settings) as redis:
        try:
            redis.ping()
        except RedisError as error:
            raise unavailable(settings, error) from error

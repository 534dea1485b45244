"""Turns redis-py's errors into `ServerUnavailable`, which names the address and the setting it came from."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import RedisError

from contracts.errors import ServerUnavailable
from contracts.settings import Settings, masked


@contextmanager
def unavailable_as_such(settings: Settings) -> Iterator[None]:
    """Raises `ServerUnavailable` for any Redis error in the block."""
    try:
        yield
    except RedisError as error:
        raise ServerUnavailable(
            f"Redis does not answer at {masked(settings.redis)} (setting DRIFTLINE_REDIS): {error}; "
            "start it with `driftline up`, or set DRIFTLINE_REDIS to one that runs"
        ) from error

"""Reads values from Redis for the inspecting commands: one connection and one round trip per look-up."""

from collections.abc import Sequence

from contracts.settings import Settings
from transport.identity import redis_key, refuse_other_redis
from transport.redis.connection import connect_blocking
from transport.redis.errors import unavailable_as_such


def look_up(settings: Settings, keys: Sequence[bytes]) -> list[bytes | None]:
    """The values of `keys`, which include the prefix; None for an absent key.

    Raises `ServerUnavailable`, and `SettingsError` for a Redis that holds another installation.
    The keys may be on several nodes of a cluster, so each is read by a command of its own.
    """
    with (
        unavailable_as_such(settings),
        connect_blocking(settings) as redis,
        redis.pipeline(transaction=False) as each,
    ):
        each.get(redis_key(settings))
        for key in keys:
            each.get(key)
        held: bytes | None
        values: list[bytes | None]
        held, *values = each.execute()
    refuse_other_redis(settings, held)
    return values

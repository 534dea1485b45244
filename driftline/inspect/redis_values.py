"""Reads values from Redis for the inspecting commands: one connection and one round trip per look-up."""

from collections.abc import Sequence

from contracts.settings import Settings
from transport.redis.connection import connect_blocking
from transport.redis.errors import unavailable_as_such


def look_up(settings: Settings, keys: Sequence[bytes]) -> list[bytes | None]:
    """The values of `keys`, which include the prefix; None for an absent key. Raises `ServerUnavailable`.

    The keys may be on several nodes of a cluster, so each is read by a command of its own.
    """
    with (
        unavailable_as_such(settings),
        connect_blocking(settings) as redis,
        redis.pipeline(transaction=False) as each,
    ):
        for key in keys:
            each.get(key)
        values: list[bytes | None] = each.execute()
    return values

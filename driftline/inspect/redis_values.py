"""Reads values from Redis for the inspecting commands: one connection and one round trip per look-up."""

from collections.abc import Sequence

import msgspec

from contracts.settings import Settings
from transport.identity import read_redis, redis_key
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
    read_redis(settings, held)
    return values


def with_partitions(settings: Settings) -> Settings:
    """The settings with the number of partitions that Redis has of the installation; Kafka says it of a wiped Redis.

    Raises as `look_up` does; for a wiped Redis, and where the settings name another number, as
    `transport.installation.installed_blocking`.
    """
    with unavailable_as_such(settings), connect_blocking(settings) as redis:
        found = read_redis(settings, redis.get(redis_key(settings)))
    if found is not None and settings.partitions in (0, found.partitions):
        return msgspec.structs.replace(settings, partitions=found.partitions)
    from transport.installation import installed_blocking

    return installed_blocking(settings)

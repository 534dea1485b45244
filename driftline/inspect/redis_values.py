"""Values in Redis for a person who looks: one connection a look, one round trip."""

from collections.abc import Sequence

from contracts.settings import Settings
from transport.redis.connection import connect_blocking
from transport.redis.errors import unavailable_as_such


def look_up(settings: Settings, keys: Sequence[bytes]) -> list[bytes | None]:
    """The values of keys, prefix included, None for one that is absent. Raises `ServerUnavailable`.

    The keys may lie on several nodes of a cluster, so no command names two of them.
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

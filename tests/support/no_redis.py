"""A Redis that keeps nothing, and lacks nothing."""

from collections.abc import Sequence


class NoRedis:
    """Takes what is written to it, and forgets it. Every position that is read is far ahead: nothing is lost."""

    async def mget(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """As the port says."""
        return [b"%d" % (1 << 40)] * len(keys)

    async def set_if_newer(self, keys: object, values: object, ttl_s: int, position: object) -> int:
        """As the port says."""
        return 0

    async def put_listed(self, writes: object, ttl_s: int, most: int) -> None:
        """As the port says."""

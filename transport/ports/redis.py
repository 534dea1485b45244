"""What Driftline needs from Redis. `transport/redis/client.py` implements the port on a real server.

Redis holds only views, so each write may be repeated, and repeating it changes nothing. Every method raises
`contracts.errors.ServerUnavailable` if the server does not answer or refuses. A write that raised may still have
succeeded: perhaps only its answer was lost. One connection serves many tasks at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

VERSION_BYTES = 8


def version_of(value: bytes) -> int:
    """The version that a value begins with, as `Redis.set_if_newer` has it."""
    return int.from_bytes(value[:VERSION_BYTES], "big")


@dataclass(frozen=True, slots=True)
class ListedValues:
    """Values, and their entries in a list of the newest values. All keys are on one node of a cluster.

    listed: (score, member) of each new entry of the sorted set at key `list_key`. keys, values: of equal length.
    """

    list_key: bytes
    listed: Sequence[tuple[int, bytes]]
    keys: Sequence[bytes]
    values: Sequence[bytes]


class Redis(Protocol):
    """A connection to the views of one or more prefixes; keys include their prefix."""

    async def mget(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys` in one round trip, None for a key that is absent. No keys: no round trip."""
        ...

    async def newest(self, list_keys: Sequence[bytes], most: int) -> list[tuple[bytes, float]]:
        """(member, score) of the newest entries of each list, at most `most` per list, in one round trip.

        Lists follow each other in the given order; a list's entries are sorted by (score, member), descending. An
        absent list has no entries.
        """
        ...

    async def set_if_newer(
        self, keys: Sequence[bytes], values: Sequence[bytes], ttl_s: int, position: tuple[bytes, int] | None
    ) -> int:
        """Write each value whose key is absent or holds a smaller version: one atomic step, one round trip.

        A value begins with its version, 8 bytes, big-endian, unsigned: the position in the owner's log whose state it
        is. ttl_s: seconds that a written key lives; a key that is not written keeps its expiry. position: a key that
        holds the reader's log position in decimal digits (below 2**53); it moves in the same step, only forward, and
        never expires. Returns how many values were written. Raises `ValueError` for values without a version.
        """
        ...

    async def put_listed(self, writes: Sequence[ListedValues], ttl_s: int, most: int) -> None:
        """Overwrite values and list them. Each of `writes` is atomic; they follow one another.

        A list keeps its `most` newest entries by (score, member), so any order of calls ends in the same list. Values
        and lists live `ttl_s` seconds from now.
        """
        ...

    async def scan(self, pattern: bytes, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """The next keys that match a glob-style pattern, and the next cursor; begin with cursor 0 and end at 0.

        Looks at some `count` keys of the server. Keys that are there from the beginning to the end come at least
        once. A server that was started anew has other cursors.
        """
        ...

    async def eviction(self) -> str:
        """The policy by which the server evicts keys when its memory is full; "" if it never evicts any."""
        ...

    async def replace(self, removed: bytes, key: bytes, value: bytes) -> None:
        """Delete key `removed` and set `key` to `value` without expiry: both or neither."""
        ...

    async def delete(self, key: bytes) -> None:
        """Delete `key`, if it is there."""
        ...

    async def claim(self, key: bytes, value: bytes) -> bytes:
        """Set `key` without expiry if it is absent. Returns the value that it has then."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...

"""What Driftline asks of Redis, in verbs of its own. `transport/redis/client.py` is the one on a real server.

A view is all that Redis holds, so each write may be repeated, and a repeat changes nothing. Every verb raises
`contracts.errors.ServerUnavailable` where the server does not answer, or refuses. A write that raised may have been
done all the same: its answer may have been what was lost. One connection serves many tasks at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

VERSION_BYTES = 8


@dataclass(frozen=True, slots=True)
class ListedValues:
    """Values, and their entries in a list of the newest: all on one node of a cluster.

    listed: (score, member) of each new entry of the sorted set at key `list_key`. keys, values: of equal length.
    """

    list_key: bytes
    listed: Sequence[tuple[int, bytes]]
    keys: Sequence[bytes]
    values: Sequence[bytes]


class Redis(Protocol):
    """A connection to the views of one prefix or more; keys come with their prefix."""

    async def mget(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys` in one round trip, None for a key that is absent. No keys: no round trip."""
        ...

    async def newest(self, list_keys: Sequence[bytes], most: int) -> list[tuple[bytes, float]]:
        """(member, score) of the at most `most` newest entries of each list, in one round trip.

        List after list in the order asked for, within one by (score, member) descending; an absent list has none.
        """
        ...

    async def set_if_newer(
        self, keys: Sequence[bytes], values: Sequence[bytes], ttl_s: int, position: tuple[bytes, int] | None
    ) -> int:
        """Write each value whose key is absent or holds a smaller version; all of it at once, in one round trip.

        A value begins with its version, 8 bytes, big-endian, unsigned: the position in the owner's log that it is the
        state of. ttl_s: seconds that a written key lives; an unwritten one keeps what it has. position: a key that
        holds the reader's log position in decimal digits (below 2**53), moved in the same step, only forward, and
        kept for ever. Returns how many values were written. Raises `ValueError` for values without a version.
        """
        ...

    async def put_listed(self, writes: Sequence[ListedValues], ttl_s: int, most: int) -> None:
        """Write values, whatever was there, and list them; each of `writes` at once, one after another.

        A list keeps its `most` newest entries by (score, member): any order of calls ends in the same list. Values
        and lists live `ttl_s` seconds from now.
        """
        ...

    async def replace(self, removed: bytes, key: bytes, value: bytes) -> None:
        """Delete key `removed` and set `key` to `value`, without end: both or neither."""
        ...

    async def aclose(self) -> None:
        """Let the connection go."""
        ...

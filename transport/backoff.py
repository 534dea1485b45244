"""Pauses between attempts to reach a server: each is twice as long as the one before."""

from collections.abc import Iterator

FIRST_S = 0.1
LONGEST_S = 5.0  # a server that comes back is noticed this much later at worst


def pauses(first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> Iterator[float]:
    """Seconds to wait before each further attempt: doubling from `first_s` up to `longest_s`, without end."""
    pause = first_s
    while True:
        yield pause
        pause = min(2 * pause, longest_s)

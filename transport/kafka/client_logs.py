"""Kafka's clients log every attempt to reach a broker that is away, dozens of lines a second: let each through once.

Entry points add `OncePerInterval` to their handlers. What a process waits for it says itself, in
`transport/waiting.py`, and what failed in `transport/hop/partition.py`, so the clients' stack traces are left out.
So are those that asyncio writes of the clients' own futures, which they fail and then forget when a broker goes away.
"""

import logging

CLIENTS = ("aiokafka", "kafka")
INTERVAL_S = 30.0
_MOST_REMEMBERED = 1_000


class OncePerInterval(logging.Filter):
    """Lets a message of the clients through once in `INTERVAL_S` seconds; messages of other loggers always."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Called by `logging`; goes by the record's own time and by its text before arguments are filled in."""
        if record.name.partition(".")[0] not in CLIENTS and not _forgotten_by_client(record):
            return True
        key = (record.name, str(record.msg))
        if record.created - self._passed_at.get(key, float("-inf")) < INTERVAL_S:
            return False
        if len(self._passed_at) >= _MOST_REMEMBERED:
            self._passed_at.clear()
        self._passed_at[key] = record.created
        record.exc_info = record.exc_text = None
        return True


def _forgotten_by_client(record: logging.LogRecord) -> bool:
    """Whether asyncio reports an error of a client's that nobody looked at."""
    error = record.exc_info[1] if record.name == "asyncio" and record.exc_info else None
    return error is not None and type(error).__module__.partition(".")[0] in CLIENTS

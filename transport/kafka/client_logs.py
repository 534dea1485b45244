"""Thins out the logs of Kafka's clients, which log dozens of lines a second while a broker is away.

Entry points add `OncePerInterval` to their handlers. The process itself logs what it waits for
(`transport/waiting.py`) and what failed (`transport/hop/partition.py`), so the clients' stack traces are dropped.
When a broker goes away, the clients also fail futures and forget them; asyncio's stack traces of those are dropped
too. A broker answers NotEnoughReplicas to a producer whose last transaction it is still completing, several times a
minute in a healthy cluster: these lines are dropped, as the producer just sends again.
"""

import logging

CLIENTS = ("aiokafka", "kafka")
INTERVAL_S = 30.0
_MOST_REMEMBERED = 1_000


class OncePerInterval(logging.Filter):
    """Passes each message of the clients once per `INTERVAL_S` seconds, and every message of other loggers."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Called by `logging`. Compares records by their own time and by their text before formatting."""
        if record.name == "aiokafka.producer.sender" and "NotEnoughReplicas" in record.getMessage():
            return False
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
    """Whether this is asyncio's report of a client's error that was never retrieved."""
    error = record.exc_info[1] if record.name == "asyncio" and record.exc_info else None
    return error is not None and type(error).__module__.partition(".")[0] in CLIENTS

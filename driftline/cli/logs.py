"""How processes log: their own lines at the level asked for, those of the libraries only if they matter."""

import logging

from transport.kafka.client_logs import OncePerInterval

# Their INFO is of use only to who debugs them: dozens of lines at each start.
_LIBRARIES = ("aiokafka", "faust", "mode")


def begin_logging() -> None:
    """What every command does first. kafka-python logs at every retry what it raises anyway, so it is silent."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(OncePerInterval())
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def log_at(level: str) -> None:
    """Log a process's own lines from `level` on; level: debug, info, warning or error. `debug` shows all."""
    logging.getLogger().setLevel(level.upper())
    if level == "debug":
        return
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
    logging.getLogger("faust.tables.recovery").setLevel(level.upper())  # says that a worker is ready
    # Says that a timer woke up late, many times where other processes keep the machine busy.
    logging.getLogger("mode.timers").setLevel(logging.ERROR)

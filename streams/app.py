"""The Faust app of a stream worker: `driftline worker`, or `faust -A streams.app worker`.

Faust provides the command line, life cycle, web server, sensors, and the agents of low-rate topics. High-rate topics
run in services with their own transactions (`streams/services.py`), because Faust's exactly-once mode commits an
input's offset and its outputs in different transactions.
"""

import logging
import os
import threading
from functools import cache
from typing import Any

import faust

from contracts.settings import Settings
from contracts.settings_sources import load
from contracts.topics import WITH_DEAD_LETTERS, dead_letters, prefixed
from streams.dead_letter_agent import watch_dead_letters
from streams.services import StreamServices
from transport.hop.hop import DRAIN_S, SESSION_TIMEOUT_MS

END_S = DRAIN_S + 5.0  # after SIGTERM a worker has ended, even if Kafka is gone; compose.yaml waits 30 s

log = logging.getLogger(__name__)


class WorkerApp(faust.App):
    """Faust's app, with the hops beside its own services, so that hops do not wait for the agents' consumer group."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._streams = StreamServices(settings)
        super().__init__(
            f"{settings.prefix}driftline-worker",
            broker=f"kafka://{settings.kafka}".replace(",", ";"),
            broker_session_timeout=SESSION_TIMEOUT_MS / 1000,
            store="memory://",
            # `driftline topics apply` creates the topics, from one table.
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            web_enabled=False,
            autodiscover=False,
        )

    def on_init_dependencies(self) -> list[Any]:
        """Called by the `mode` library. Services start in this order and stop in the reverse order."""
        return [self._streams, *super().on_init_dependencies()]

    async def stop(self) -> None:
        """Called by the `mode` library. The hops drain first: Faust's services may wait for a broker that is gone."""
        deadline = threading.Timer(END_S, _end)
        deadline.daemon = True
        deadline.start()
        try:
            await self._streams.stop()
            await super().stop()
        finally:
            deadline.cancel()

    def _create_directories(self) -> None:
        """Called by Faust to make folders for its tables. There are no tables, so this makes none."""


def _end() -> None:
    log.error("not ended %.0f s after it was told to stop, because Kafka does not answer: ending now", END_S)
    os._exit(1)


def create_app(settings: Settings) -> WorkerApp:
    """A worker's app with these settings, for programs that start a worker themselves."""
    app = WorkerApp(settings)
    letters = app.topic(
        *(prefixed(dead_letters(topic), settings.prefix).name for topic in WITH_DEAD_LETTERS),
        value_serializer="raw",
        key_serializer="raw",
    )
    app.agent(letters, name="dead-letters")(watch_dead_letters)
    return app


def run_worker(settings: Settings) -> None:
    """Run a worker until SIGTERM or Ctrl-C drains it; ends the process. The caller configures logging."""
    worker = faust.Worker(create_app(settings), override_logging=False, redirect_stdouts=False, quiet=True)
    worker.execute_from_commandline()


@cache
def _app_of_this_process() -> WorkerApp:
    return create_app(load())


def __getattr__(name: str) -> WorkerApp:
    """`app`, for Faust's own command line: made from the environment's settings, once, at the first access."""
    if name == "app":
        return _app_of_this_process()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

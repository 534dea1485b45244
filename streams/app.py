"""The Faust app of a stream worker: `driftline worker`, or `faust -A streams.app worker`.

Faust hosts: command line, life cycle, web, sensors, and the agents of low-rate topics. The firehoses run in services
of their own (`streams/services.py`), which own their transactions: Faust's exactly-once mode commits an input's
offset and its outputs in different transactions.
"""

from functools import cache
from typing import Any

import faust

from contracts.settings import Settings, load
from contracts.topics import WITH_DEAD_LETTERS, dead_letters, prefixed
from streams.dead_letter_agent import watch_dead_letters
from streams.services import StreamServices
from transport.hop.hop import SESSION_TIMEOUT_MS


class WorkerApp(faust.App):
    """Faust's app with the hops beside its own services: hops do not wait for the agents' consumer group."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__(
            f"{settings.prefix}driftline-worker",
            broker=f"kafka://{settings.kafka}".replace(",", ";"),
            broker_session_timeout=SESSION_TIMEOUT_MS / 1000,
            store="memory://",
            # Topics are made by `driftline topics apply`, from one table.
            topic_allow_declare=False,
            topic_disable_leader=True,
            consumer_auto_offset_reset="earliest",
            web_enabled=False,
            autodiscover=False,
        )

    def on_init_dependencies(self) -> list[Any]:
        """Called by the `mode` library. Services start in this order and stop in the reverse order."""
        return [StreamServices(self._settings), *super().on_init_dependencies()]

    def _create_directories(self) -> None:
        """Called by Faust for its tables, of which there are none: a worker leaves no folder behind."""


def create_app(settings: Settings) -> WorkerApp:
    """A worker's app with these settings: the entry for programs."""
    app = WorkerApp(settings)
    letters = app.topic(
        *(prefixed(dead_letters(topic), settings.prefix).name for topic in WITH_DEAD_LETTERS),
        value_serializer="raw",
        key_serializer="raw",
    )
    app.agent(letters, name="dead-letters")(watch_dead_letters)
    return app


def run_worker(settings: Settings) -> None:
    """Run a worker until SIGTERM or Ctrl-C drains it; ends the process. Logging is the caller's business."""
    worker = faust.Worker(create_app(settings), override_logging=False, redirect_stdouts=False)
    worker.execute_from_commandline()


@cache
def _app_of_this_process() -> WorkerApp:
    return create_app(load())


def __getattr__(name: str) -> WorkerApp:
    """`app`, for Faust's own command line: made of the environment's settings when it is asked for, once."""
    if name == "app":
        return _app_of_this_process()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The Faust app of a stream worker: `driftline worker`, or `faust -A streams.app worker`.

Faust hosts: command line, life cycle, web, sensors, and the agents of low-rate topics. The firehoses run in services
of their own (`streams/services.py`), which own their transactions: Faust's exactly-once mode commits an input's
offset and its outputs in different transactions.
"""

import faust

from contracts.settings import Settings, load
from contracts.topics import WITH_DEAD_LETTERS, dead_letters, prefixed
from streams.dead_letters import watch_dead_letters
from streams.services import StreamServices


def create_app(settings: Settings) -> faust.App:
    """A worker's app with these settings."""
    app = faust.App(
        f"{settings.prefix}driftline-worker",
        broker=f"kafka://{settings.kafka}".replace(",", ";"),
        store="memory://",
        topic_allow_declare=False,  # topics are made by `driftline topics apply`, from one table
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        autodiscover=False,
    )

    @app.service
    class Services(StreamServices):
        def __init__(self, **kwargs: object) -> None:
            super().__init__(settings, **kwargs)

    letters = app.topic(
        *(prefixed(dead_letters(topic), settings.prefix).name for topic in WITH_DEAD_LETTERS),
        value_serializer="raw",
        key_serializer="raw",
    )
    app.agent(letters, name="dead-letters")(watch_dead_letters)
    return app


app = create_app(load())

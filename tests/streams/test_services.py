"""A worker's app is made of the settings it is given, and lets go of what it opened."""

import asyncio
import threading

import msgspec
import pytest

import streams.app
from contracts.settings import Settings
from streams import services
from streams.services import StreamServices, TickerService
from tests.support.installation import PARTITIONS
from transport.ports.kafka import Kafka

NOWHERE = Settings(kafka="127.0.0.1:1", prefix="x-")


class Connection:
    """A connection to Redis that nobody uses."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


async def test_the_connection_to_redis_is_closed_when_the_services_have_stopped(monkeypatch) -> None:
    redis = Connection()
    monkeypatch.setattr(services, "connect", lambda settings: redis)

    async def installed(settings: Settings, kafka: Kafka) -> Settings:
        return msgspec.structs.replace(settings, partitions=PARTITIONS)

    monkeypatch.setattr(services, "installed_once_there", installed)
    monkeypatch.setattr(services, "check_retention", lambda settings, kafka: None)
    running = StreamServices(NOWHERE)
    await running.start()
    while not any(isinstance(child, TickerService) for child in running._children):
        await asyncio.sleep(0.01)
    assert not redis.closed
    await running.stop()
    assert redis.closed


def test_the_app_is_made_of_the_settings_that_it_is_given() -> None:
    assert streams.app.create_app(NOWHERE).conf.id == "x-driftline-worker"


def test_the_environment_is_read_only_when_fausts_command_asks_for_the_app(monkeypatch) -> None:
    assert "app" not in vars(streams.app)
    monkeypatch.setenv("DRIFTLINE_PREFIX", "of-the-environment-")
    streams.app._app_of_this_process.cache_clear()
    assert streams.app.app.conf.id == "of-the-environment-driftline-worker"
    assert streams.app.app is streams.app.app
    streams.app._app_of_this_process.cache_clear()
    with pytest.raises(AttributeError, match="no attribute 'apps'"):
        streams.app.apps  # noqa: B018


async def test_an_app_that_has_stopped_leaves_its_process_alone() -> None:
    app = streams.app.create_app(NOWHERE)
    await app.stop()
    deadlines = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(deadline.finished.is_set() for deadline in deadlines)

"""A worker refuses a Kafka that forgets what it would have to rebuild from."""

import contextlib
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from contracts.errors import SettingsError
from contracts.settings import Settings
from contracts.topics import Topic
from streams.retention import check_retention, needed_ms
from tests.support.installation import INSTALLED
from transport.ports.kafka_admin import TopicFound


class Kept:
    """A Kafka of which only the retention of topics is known."""

    def __init__(self, settings: Settings, changed: dict[Topic, int]) -> None:
        self._config = {topic.name: topic.retention_ms for topic in needed_ms(settings)}
        self._config |= {topic.name: kept for topic, kept in changed.items()}

    @contextlib.contextmanager
    def admin(self) -> Iterator["Kept"]:
        yield self

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFound]:
        return {topic: TopicFound("id", 4, {"retention.ms": str(self._config[topic])}) for topic in topics}


WIDEST = msgspec.structs.replace(
    INSTALLED,
    time=msgspec.structs.replace(INSTALLED.time, lateness_ms=172_800_000),
    join=msgspec.structs.replace(INSTALLED.join, label_window_ms=172_800_000),
    features=msgspec.structs.replace(INSTALLED.features, tweet_ttl_s=604_800),
)


def test_the_table_of_topics_keeps_enough_for_any_settings() -> None:
    for settings in (INSTALLED, WIDEST):
        check_retention(settings, Kept(settings, {}))


@pytest.mark.parametrize("settings", [INSTALLED, WIDEST])
def test_each_topic_that_is_kept_too_short_is_named(settings: Settings) -> None:
    for topic, least in needed_ms(settings).items():
        check_retention(settings, Kept(settings, {topic: least}))
        check_retention(settings, Kept(settings, {topic: -1}))
        with pytest.raises(SettingsError, match=rf"^{topic.name} is kept for {least - 1} ms.*needs {least} ms"):
            check_retention(settings, Kept(settings, {topic: least - 1}))

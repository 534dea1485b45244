"""Checks that Kafka keeps topics for as long as what is rebuilt from them needs."""

from contracts.errors import SettingsError
from contracts.settings import Settings
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, FEATURE_UPDATES, FOREVER_MS, TWEETS, Topic
from streams.feature_snapshots import SNAPSHOT_EVERY_MS
from transport.ports.kafka import Kafka


def needed_ms(settings: Settings) -> dict[Topic, int]:
    """Topic -> how long its records are needed, in ms of append time."""
    open_ms = settings.join.label_window_ms + settings.time.lateness_ms
    return {
        TWEETS: settings.features.tweet_ttl_s * 1000,  # their records in Redis are written again from here
        ENGAGEMENTS: open_ms,
        CANDIDATES_SERVED: open_ms,
        FEATURE_UPDATES: 2 * SNAPSHOT_EVERY_MS,  # a snapshot takes some time too
    }


def check_retention(settings: Settings, kafka: Kafka) -> None:
    """Raises `SettingsError` for a topic that is kept for too short a time, and `ServerUnavailable`. Blocks."""
    needed = needed_ms(settings)
    with kafka.admin() as admin:
        found = admin.describe([topic.name for topic in needed])
    for topic, least in needed.items():
        kept = int(found[topic.name].config["retention.ms"])
        if kept != FOREVER_MS and kept < least:
            raise SettingsError(
                f"{settings.prefix}{topic.name} is kept for {kept} ms (retention.ms), but what is rebuilt from it "
                f"after a crash or a wiped Redis needs {least} ms: `driftline topics apply` sets it to "
                f"{topic.retention_ms}"
            )

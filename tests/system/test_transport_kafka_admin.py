"""Topics made as the table says, changed where they differ, refused where keys would move; offsets and lag."""

from dataclasses import replace

import pytest

from contracts.settings import Settings
from contracts.topics import ALL, BINS, MODELS, TWEETS
from transport.installation import install
from transport.kafka import admin as kafka_admin
from transport.kafka import clients as kafka_clients
from transport.kafka.admin import PartitionOffsets, TopicsDiffer


def test_what_is_applied_needs_no_plan_any_more(settings: Settings) -> None:
    kafka_admin.check_reachable(settings)
    assert [difference.kind for difference in kafka_admin.plan(settings)] == ["missing"] * len(ALL)
    assert len(install(settings)) == len(ALL)
    assert kafka_admin.plan(settings) == []
    assert install(settings) == []
    kafka_admin.delete(settings)
    assert len(kafka_admin.plan(settings)) == len(ALL)


def test_a_config_that_differs_is_shown_and_altered(settings: Settings) -> None:
    kafka_admin.apply(settings, [replace(TWEETS, retention_ms=5_000)])
    (difference,) = kafka_admin.plan(settings, [TWEETS])
    assert str(difference) == f"~ {settings.prefix}tweets: retention.ms 5000 -> {TWEETS.retention_ms}"
    assert kafka_admin.apply(settings, [TWEETS]) == [difference]
    assert kafka_admin.plan(settings, [TWEETS]) == []


def test_another_partition_count_is_refused_and_nothing_is_changed(settings: Settings) -> None:
    kafka_admin.apply(settings, [replace(BINS, single=False)])
    with pytest.raises(TopicsDiffer, match=rf"{settings.prefix}bins: partitions 4 -> 1") as refusal:
        kafka_admin.apply(settings, [MODELS, BINS])
    assert "Nothing was changed" in str(refusal.value)
    assert [difference.kind for difference in kafka_admin.plan(settings, [MODELS, BINS])] == ["missing", "partitions"]


def test_offsets_and_lag_count_what_was_written_and_committed(settings: Settings) -> None:
    kafka_admin.apply(settings, [BINS])
    assert kafka_admin.topic_offsets(settings, [BINS, TWEETS]) == {"bins": {0: PartitionOffsets(0, 0)}}
    producer = kafka_clients.producer(settings)
    for number in range(10):
        producer.send(settings.prefix + BINS.name, b"%d" % number)
    producer.close()
    assert kafka_admin.topic_offsets(settings, [BINS])["bins"][0].count == 10
    groups = {"readers": [BINS], "idlers": [BINS, TWEETS]}
    assert kafka_admin.lags(settings, groups) == {"readers": 10, "idlers": 10}
    assert kafka_admin.committed(settings, "readers") == {}
    consumer = kafka_clients.consumer(settings, [BINS], "readers", max_poll_records=4)
    while not (polled := consumer.poll(timeout_ms=1_000)):
        pass
    assert [record.value for records in polled.values() for record in records] == [b"0", b"1", b"2", b"3"]
    consumer.commit()
    consumer.close()
    assert kafka_admin.lags(settings, groups) == {"readers": 6, "idlers": 10}
    assert kafka_admin.committed(settings, "readers") == {"bins": {0: (4, "")}}

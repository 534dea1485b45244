"""An installation keeps what it was made with, and processes that disagree do not start."""

import asyncio
import contextlib
import os
import subprocess
import sys

import msgspec
import pytest
from kafka.admin import NewPartitions

from contracts.codec import Codec, serialize
from contracts.errors import SettingsError, TopicsDiffer
from contracts.records import Installed
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import ALL, BINS, FEATURE_UPDATES, INSTALLATION, TWEETS
from tests.support.transport_hops import eventually, read_visible
from transport.installation import FIXED, NotInstalled, install, installed, installed_once_there, plan
from transport.kafka import admin as kafka_admin
from transport.kafka.clients import admin
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import Output

CHANGED = {
    "time.window_ms": 120_000,
    "time.lateness_ms": 31_000,
    "features.pane_ms": 60_000,
    "join.label_window_ms": 5_000,
}


def changed(settings: Settings, name: str, value: int) -> Settings:
    """The settings with one of them changed."""
    section, field = name.split(".")
    table = msgspec.structs.replace(getattr(settings, section), **{field: value})
    return msgspec.structs.replace(settings, **{section: table})


def of_any_number(settings: Settings) -> Settings:
    """As a process has them that was not told how many partitions there are."""
    return msgspec.structs.replace(settings, partitions=0)


async def test_the_number_of_partitions_is_chosen_once_and_read_from_then_on(settings: Settings) -> None:
    plain, kafka = of_any_number(settings), KafkaCluster(settings)
    with pytest.raises(NotInstalled, match=r"make them with `driftline topics apply`"):
        await installed(plain, kafka)
    made = install(msgspec.structs.replace(settings, partitions=7))
    assert {difference.topic.name.removeprefix(settings.prefix): difference.partitions for difference in made} == {
        topic.name: 1 if topic.single else 7 for topic in ALL
    }
    assert install(plain) == plan(plain) == []
    assert (await installed(plain, kafka)).partitions == 7
    for refused in (install, plan):
        with pytest.raises(SettingsError, match=r"partitions is 8, but it was made with 7"):
            refused(msgspec.structs.replace(settings, partitions=8))
    with pytest.raises(SettingsError, match=r"partitions is 8, but it was made with 7"):
        await installed(msgspec.structs.replace(settings, partitions=8), kafka)
    read = [
        record for records in (await read_visible(plain_of(settings, 7), INSTALLATION)).values() for record in records
    ]
    assert [Codec(Installed).deserialize(record.value).partitions for record in read] == [7]


def plain_of(settings: Settings, partitions: int) -> Settings:
    """The settings of an installation with so many partitions."""
    return msgspec.structs.replace(settings, partitions=partitions)


async def test_settings_that_give_the_logs_their_meaning_are_kept_and_others_refused(settings: Settings) -> None:
    assert set(CHANGED) == set(FIXED)
    install(settings)
    for name, value in CHANGED.items():
        other = changed(settings, name, value)
        variable = f"DRIFTLINE_{name.replace('.', '_').upper()}"
        for attempt in (install, plan):
            with pytest.raises(SettingsError, match=rf"{name} \({variable}\) is {value}, but it was made with"):
                attempt(other)
        with pytest.raises(SettingsError, match=rf"{name} \({variable}\) is {value}.*\n.*DRIFTLINE_PREFIX"):
            await installed(other, KafkaCluster(other))


async def test_of_two_that_install_at_once_the_first_decides(settings: Settings) -> None:
    install(settings)
    late = Installed(id="late", partitions=9, settings=dict.fromkeys(FIXED, 1))
    with contextlib.closing(KafkaCluster(settings).producer()) as producer:
        producer.deliver([Output(INSTALLATION.name, serialize(late), partition=0)])
    assert (await installed(of_any_number(settings), KafkaCluster(settings))).partitions == settings.partitions


async def test_topics_that_got_more_partitions_are_refused(settings: Settings) -> None:
    install(settings)
    with admin(settings) as client:
        client.create_partitions({settings.prefix + TWEETS.name: NewPartitions(6)})

    async def known() -> bool:
        async with KafkaCluster(settings).consumer() as consumer:
            return (await consumer.topics())[TWEETS.name] == 6

    await eventually(known, "the broker knows of the new partitions")
    with pytest.raises(TopicsDiffer, match=rf"! {settings.prefix}tweets: partitions 6 -> 4"):
        await installed(settings, KafkaCluster(settings))
    with pytest.raises(TopicsDiffer, match=r"another number of partitions than the installation"):
        install(settings)


def test_each_partition_has_a_virtual_shard(settings: Settings) -> None:
    few = msgspec.structs.replace(settings, vocab=msgspec.structs.replace(settings.vocab, shards=2))
    with pytest.raises(SettingsError, match=r"vocab\.shards is 2, but each of 4 partitions needs a virtual shard"):
        install(few)
    assert not kafka_admin.topic_offsets(settings, [TWEETS, BINS])


@pytest.mark.parametrize("command", ["worker", "scorer", "trainer", "time live", "features viewer 1", "offsets show"])
def test_a_process_with_other_settings_does_not_start(settings: Settings, command: str) -> None:
    install(settings)
    environ = os.environ | to_environ(changed(settings, "time.window_ms", 120_000))
    run = subprocess.run(
        [sys.executable, "-m", "driftline", *command.split()],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode
    assert "time.window_ms (DRIFTLINE_TIME_WINDOW_MS) is 120000, but it was made with 60000" in run.stderr


def test_a_worker_does_not_start_where_kafka_forgets_too_soon(settings: Settings) -> None:
    install(settings)
    with KafkaCluster(settings).admin() as connection:
        connection.configure({FEATURE_UPDATES.name: {"retention.ms": "3600000"}})
    called = [sys.executable, "-m", "driftline", "worker"]
    run = subprocess.run(called, env=os.environ | to_environ(settings), capture_output=True, text=True, timeout=120)
    assert run.returncode
    assert f"{settings.prefix}feature-updates is kept for 3600000 ms (retention.ms)" in run.stderr
    assert "`driftline topics apply` sets it to 604800000" in run.stderr


async def test_a_process_begins_once_there_is_an_installation(settings: Settings) -> None:
    plain = of_any_number(settings)
    waiting = asyncio.create_task(installed_once_there(plain, KafkaCluster(plain)))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await asyncio.to_thread(install, settings)
    assert (await waiting).partitions == settings.partitions

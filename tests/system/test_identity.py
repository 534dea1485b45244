"""An installation's id is in Kafka, Redis and the data folder, and what meets another's refuses."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from contracts.errors import SettingsError
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import ALL
from driftline.inspect.logs import read_log
from driftline.inspect.redis_values import look_up, with_partitions
from transport import identity
from transport.installation import install, installed, installed_once_there
from transport.kafka import admin
from transport.kafka.cluster import KafkaCluster
from transport.redis.connection import connect, connect_blocking


def run(settings: Settings, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these settings, in the folder of their data."""
    Path(settings.data_dir).mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "driftline", *command],
        env=os.environ | to_environ(settings),
        cwd=settings.data_dir,
        capture_output=True,
        text=True,
        timeout=120,
    )


def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    """The settings with a data folder that knows nothing yet."""
    return msgspec.structs.replace(settings, data_dir=str(tmp_path / "elsewhere"))


async def test_a_folder_without_an_id_takes_kafkas_and_keeps_it(settings: Settings, tmp_path: Path) -> None:
    install(settings)
    of_kafka = (await installed(settings, KafkaCluster(settings))).installation
    assert of_kafka
    assert identity.folder_id(settings) == of_kafka  # whoever makes the topics works from this folder
    other = elsewhere(settings, tmp_path)
    assert identity.folder_id(other) == ""
    assert (await installed_once_there(other, KafkaCluster(other))).installation == of_kafka
    assert identity.folder_id(other) == of_kafka


async def test_a_folder_of_another_installation_is_refused(settings: Settings, tmp_path: Path) -> None:
    install(settings)
    identity.remember(msgspec.structs.replace(elsewhere(settings, tmp_path), installation="another"))
    stranger = identity.of_folder(elsewhere(settings, tmp_path))
    refused = r"belongs to installation another.*DRIFTLINE_DATA_DIR"
    with pytest.raises(SettingsError, match=refused):
        await installed(stranger, KafkaCluster(stranger))
    with pytest.raises(SettingsError, match=refused):
        install(stranger)
    with pytest.raises(SettingsError, match=refused):
        next(read_log(stranger, ALL[0]))
    assert identity.folder_id(stranger) == "another"


def test_a_kafka_that_was_emptied_is_not_taken_for_a_new_one(settings: Settings) -> None:
    install(settings)
    admin.delete(settings)
    with pytest.raises(SettingsError, match=r"has no installation .*belongs to installation"):
        install(settings)
    done = run(settings, "timelines", "tail")
    assert done.returncode == 1
    assert "has no installation" in done.stderr


def test_other_prefixes_of_one_folder_are_installations_of_their_own(settings: Settings) -> None:
    install(settings)
    beside = msgspec.structs.replace(settings, prefix=settings.prefix + "b-")
    install(beside)
    assert identity.folder_id(settings) != identity.folder_id(beside) != ""


async def test_a_redis_without_the_id_was_wiped_and_gets_it_again(settings: Settings) -> None:
    install(settings)
    ours = identity.of_folder(settings)
    assert look_up(ours, [b"nothing"]) == [None]
    async with contextlib.aclosing(connect(ours)) as redis:
        await identity.claim(redis, ours)
        await identity.claim(redis, ours)
        assert await redis.mget([identity.redis_key(ours)]) == [identity.redis_value(ours)]


def test_a_redis_in_which_something_else_has_the_key_is_refused(settings: Settings) -> None:
    install(settings)
    with connect_blocking(settings) as redis:
        redis.set(identity.redis_key(settings), "7")
    done = run(settings, "features", "tweet", "1")
    assert done.returncode == 1
    assert "which no installation wrote: set DRIFTLINE_PREFIX" in done.stderr


def test_redis_says_how_many_partitions_there_are_and_kafka_where_it_was_wiped(settings: Settings) -> None:
    unknown = msgspec.structs.replace(settings, partitions=0)
    install(msgspec.structs.replace(settings, partitions=3))
    assert with_partitions(unknown).partitions == 3
    with connect_blocking(settings) as redis:
        redis.set(identity.redis_key(settings), identity.redis_value(msgspec.structs.replace(settings, partitions=5)))
    assert with_partitions(unknown).partitions == 5
    with pytest.raises(SettingsError, match="partitions is 4, but it was made with 3"):
        with_partitions(msgspec.structs.replace(settings, partitions=4))


@pytest.mark.parametrize("command", ["vocab top", "bins list", "features tweet 1"])
def test_a_look_at_anothers_redis_is_refused(settings: Settings, command: str) -> None:
    install(settings)
    another = msgspec.structs.replace(settings, installation="another")
    with connect_blocking(settings) as redis:
        redis.set(identity.redis_key(settings), identity.redis_value(another))
    done = run(settings, *command.split())
    if command == "bins list":  # from Kafka
        assert "another" not in done.stderr
        return
    assert done.returncode == 1
    assert "holds installation another, but the data folder" in done.stderr


@pytest.mark.parametrize("command", ["worker", "scorer"])
def test_a_process_does_not_write_into_anothers_redis(settings: Settings, command: str) -> None:
    install(settings)
    another = msgspec.structs.replace(settings, installation="another")
    with connect_blocking(settings) as redis:
        redis.set(identity.redis_key(settings), identity.redis_value(another))
    done = run(settings, command)
    assert done.returncode
    assert "Redis at" in done.stderr
    assert "holds installation another" in done.stderr


def test_a_named_installation_is_made_or_insisted_on(settings: Settings) -> None:
    named = msgspec.structs.replace(settings, installation="prod-7")
    install(named)
    assert identity.folder_id(settings) == "prod-7"
    done = run(msgspec.structs.replace(settings, installation="prod-8"), "timelines", "tail")
    assert done.returncode == 1
    assert "holds installation prod-7, but DRIFTLINE_INSTALLATION is prod-8" in done.stderr


def test_a_damaged_file_is_named(settings: Settings) -> None:
    path = Path(settings.data_dir) / "installations.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(SettingsError, match=r"installations\.json is damaged"):
        identity.of_folder(settings)


def test_a_folder_that_cannot_be_written_stays_without(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = msgspec.structs.replace(settings, data_dir=str(tmp_path / "file"), installation="x")
    identity.remember(nowhere)
    assert identity.folder_id(nowhere) == ""

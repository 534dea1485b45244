"""What the logs of an installation were made with: the first record of its topic `installation`.

`install` writes it when it makes the topics. Every process reads it when it starts, takes its id and the number of
partitions from it, and refuses another installation, and settings that would give the logs another meaning.
"""

import contextlib
import uuid

import msgspec

from contracts.codec import Codec, serialize
from contracts.errors import BadRecord, ServerUnavailable, SettingsError
from contracts.records import Installed
from contracts.settings import Settings
from contracts.settings_sources import value_of, variable_of
from contracts.topics import ALL, INSTALLATION
from transport import identity
from transport.kafka import admin
from transport.kafka.admin import Difference
from transport.kafka.clients import address
from transport.kafka.cluster import KafkaCluster
from transport.kafka.state_log import read_partition, read_partition_blocking
from transport.ports.kafka import BlockingConsumer, Kafka
from transport.ports.kafka_records import ConsumerLost, KafkaFailed, LogRecord, Output
from transport.waiting import once_available

DEFAULT_PARTITIONS = 4

# Settings by whose values events are counted into windows, and examples are labelled.
FIXED = ("time.window_ms", "time.lateness_ms", "features.pane_ms", "join.label_window_ms")

_deserialize = Codec(Installed).deserialize


class NotInstalled(ServerUnavailable):
    """Kafka has no installation of this prefix (yet)."""


def plan(settings: Settings) -> list[Difference]:
    """What `install` would change. Raises as it does."""
    return admin.plan(_planned(settings, _found(settings)))


def install(settings: Settings) -> list[Difference]:
    """Make the topics, or change them to match the table; returns what was changed, so nothing the second time.

    A new installation has `settings.partitions`, or DEFAULT_PARTITIONS. Raises `SettingsError` if there is one that
    was made with other settings, `TopicsDiffer` if topics have another number of partitions, and `ServerUnavailable`.
    """
    found = _found(settings)
    planned = _planned(settings, found)
    differences = admin.apply(planned)
    if found is None:
        record = Installed(
            id=settings.installation or uuid.uuid4().hex,
            partitions=planned.partitions,
            settings={name: value_of(settings, name) for name in FIXED},
        )
        with contextlib.closing(KafkaCluster(settings).producer()) as producer:
            producer.deliver([Output(INSTALLATION.name, serialize(record), partition=0)])
        found = _found(settings)  # of two that install at once, the first decides
    identity.remember(_planned(settings, found))
    return differences


async def installed(settings: Settings, kafka: Kafka) -> Settings:
    """The settings with the installation's id and number of partitions.

    Raises `SettingsError` and `TopicsDiffer` as `install` does, `NotInstalled` and `ServerUnavailable`.
    """
    try:
        async with kafka.consumer() as consumer:
            counts = await consumer.topics()
    except (KafkaFailed, ConsumerLost) as error:
        raise ServerUnavailable(str(error)) from error
    if INSTALLATION.name in counts:
        async with contextlib.aclosing(read_partition(kafka, INSTALLATION, 0)) as batches:
            async for records in batches:
                agreed = _agreed(settings, _decoded(records))
                admin.check_partition_counts(agreed, counts)
                return agreed
    identity.refuse_none(settings, kafka.address)
    missing = [topic.name for topic in ALL if topic.name not in counts]
    raise _not_installed(settings, kafka.address, missing[0] if missing else INSTALLATION.name)


def installed_blocking(settings: Settings) -> Settings:
    """`installed` for commands, without an event loop. Raises as it does."""
    with contextlib.closing(KafkaCluster(settings).blocking_consumer()) as consumer:
        found = _first(consumer)
        counts = {topic.name: len(consumer.partitions(topic.name)) for topic in ALL}
    if found is None:
        identity.refuse_none(settings, address(settings))
        raise _not_installed(settings, address(settings))
    agreed = _agreed(settings, found)
    admin.check_partition_counts(agreed, {name: count for name, count in counts.items() if count})
    return agreed


def _not_installed(settings: Settings, server: str, missing: str = INSTALLATION.name) -> NotInstalled:
    return NotInstalled(
        f"{server} has no topics {settings.prefix}{missing}, ...: make them with `driftline topics apply`"
    )


async def installed_once_there(settings: Settings, kafka: Kafka) -> Settings:
    """`installed` for a process that works: the data folder becomes the installation's, if it is nobody's.

    Waits for a broker that is away, and for an installation that is yet to be made.
    """
    found = await once_available(lambda: installed(identity.of_folder(settings), kafka))
    identity.remember(found)
    return found


def check_identity(settings: Settings, consumer: BlockingConsumer) -> None:
    """Raises `SettingsError` if the consumer's Kafka holds another installation than the settings name, or none.

    Reads nothing if they name none. The consumer reads nothing afterwards, until it is assigned.
    """
    if not settings.installation:
        return
    found = _first(consumer)
    if found is None:
        identity.refuse_none(settings, address(settings))
    else:
        identity.refuse_other(settings, address(settings), found.id)


def _found(settings: Settings) -> Installed | None:
    with contextlib.closing(KafkaCluster(settings).blocking_consumer()) as consumer:
        return _first(consumer)


def _first(consumer: BlockingConsumer) -> Installed | None:
    """The record that decides; None if there is no installation. Takes the consumer's assignment."""
    if not consumer.partitions(INSTALLATION.name):
        return None
    return next((_decoded(records) for records in read_partition_blocking(consumer, INSTALLATION, 0)), None)


def _decoded(records: list[LogRecord]) -> Installed:
    found = _deserialize(records[0].value or b"")
    if found.settings.keys() != set(FIXED):
        raise BadRecord("malformed", f"the first record of {INSTALLATION.name} names {sorted(found.settings)}")
    return found


def _planned(settings: Settings, found: Installed | None) -> Settings:
    if found is not None:
        return _agreed(settings, found)
    identity.refuse_none(settings, address(settings))
    return _of(settings, settings.partitions or DEFAULT_PARTITIONS, settings.installation)


def _agreed(settings: Settings, found: Installed) -> Settings:
    """The settings with the id and the number of partitions found. Raises `SettingsError` where the two differ."""
    identity.refuse_other(settings, address(settings), found.id)
    differing = [
        f"{name} ({variable_of(name)}) is {value_of(settings, name)}, but it was made with {made_with}"
        for name, made_with in found.settings.items()
        if value_of(settings, name) != made_with
    ]
    if settings.partitions not in (0, found.partitions):
        differing.append(f"partitions is {settings.partitions}, but it was made with {found.partitions}")
    if differing:
        raise SettingsError(
            f"the installation with the prefix {settings.prefix!r} was made with other settings:\n  "
            + "\n  ".join(differing)
            + "\nSet them back, or set DRIFTLINE_PREFIX to make another installation beside it."
        )
    return _of(settings, found.partitions, found.id)


def _of(settings: Settings, partitions: int, installation: str) -> Settings:
    if settings.vocab.shards < partitions:
        raise SettingsError(
            f"vocab.shards is {settings.vocab.shards}, but each of {partitions} partitions needs a virtual shard: "
            "set it to a power of two that is larger, or have fewer partitions"
        )
    return msgspec.structs.replace(settings, partitions=partitions, installation=installation)

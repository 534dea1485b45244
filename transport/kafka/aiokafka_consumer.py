"""The consumer ports on aiokafka. They add the installation's prefix to topics and remove it from records."""

import contextlib
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as PrefixedPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError, OffsetOutOfRangeError

from contracts.settings import Settings
from transport.kafka import aiokafka_private
from transport.kafka.aiokafka_clients import as_ours
from transport.kafka.clients import address, unavailable
from transport.kafka.log_records import log_records
from transport.ports.kafka import RebalanceListener
from transport.ports.kafka_records import (
    Committed,
    ConsumerLost,
    KafkaFailed,
    LogRecord,
    OffsetOutOfRange,
    TopicPartition,
)

HEARTBEAT_MS = 1_000  # how soon an instance learns of a rebalance
REBALANCE_TIMEOUT_MS = 60_000  # how long a rebalance waits for all to let go

# A broker answers a consumer's fetches one at a time, so an idle partition may delay the others by this much.
GROUP_FETCH_WAIT_MS = 50
FETCH_WAIT_MS = 100
METADATA_AGE_MS = 30_000  # how soon a member learns that a topic was made anew; aiokafka's default is five minutes
FETCH_BYTES = 8 << 20  # state records are large


class AiokafkaConsumer:
    """`transport.ports.kafka.Consumer` on a started client."""

    def __init__(self, settings: Settings, client: AIOKafkaConsumer) -> None:
        self._client = client
        self._prefix = settings.prefix
        self._address = address(settings)

    async def topics(self) -> dict[str, int]:
        """See `Consumer`."""
        with as_ours(self._address):
            found = await aiokafka_private.topics(self._client)
        return {name.removeprefix(self._prefix): n for name, n in found.items() if name.startswith(self._prefix)}

    async def topic_ids(self, topics: Sequence[str]) -> dict[str, str]:
        """See `Consumer`."""
        with as_ours(self._address):
            found = await aiokafka_private.topic_ids(self._client, [self._prefix + topic for topic in topics])
        return {name.removeprefix(self._prefix): topic_id for name, topic_id in found.items()}

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See `Consumer`."""
        self._client.assign([self._prefixed(partition) for partition in offsets])
        for partition, offset in offsets.items():
            self.seek(partition, offset)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """See `Consumer`."""
        with as_ours(self._address):
            self._client.seek(self._prefixed(partition), offset)

    async def position(self, partition: TopicPartition) -> int:
        """See `Consumer`."""
        with as_ours(self._address):
            return int(await self._client.position(self._prefixed(partition)))

    async def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Consumer`."""
        with as_ours(self._address):
            return self._ours(await self._client.beginning_offsets(self._all_prefixed(partitions)))

    async def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See `Consumer`."""
        with as_ours(self._address):
            return self._ours(await self._client.end_offsets(self._all_prefixed(partitions)))

    async def read(
        self, partitions: Sequence[TopicPartition], most: int | None, timeout_s: float
    ) -> dict[TopicPartition, list[LogRecord]]:
        """See `Consumer`."""
        try:
            found = await self._client.getmany(
                *self._all_prefixed(partitions), timeout_ms=int(timeout_s * 1000), max_records=most
            )
        except OffsetOutOfRangeError as error:
            raise OffsetOutOfRange(f"{self._address}: {error!r}") from error
        except IllegalStateError as error:
            raise KafkaFailed(f"{self._address}: {error!r}") from error
        except (KafkaError, ConsumerStoppedError) as error:
            raise ConsumerLost(f"the consumer failed ({self._address}): {error!r}") from error
        return log_records(found, self._prefix)

    def _prefixed(self, partition: TopicPartition) -> PrefixedPartition:
        return PrefixedPartition(self._prefix + partition.topic, partition.partition)

    def _all_prefixed(self, partitions: Sequence[TopicPartition]) -> list[PrefixedPartition]:
        return [self._prefixed(partition) for partition in partitions]

    def _ours(self, offsets: Mapping[PrefixedPartition, int]) -> dict[TopicPartition, int]:
        return {self._unprefixed(partition): offset for partition, offset in offsets.items()}

    def _unprefixed(self, partition: PrefixedPartition) -> TopicPartition:
        return TopicPartition(partition.topic.removeprefix(self._prefix), partition.partition)


class AiokafkaGroupConsumer(AiokafkaConsumer):
    """`transport.ports.kafka.GroupConsumer` on a started client."""

    def subscribe(self, topics: Sequence[str], listener: RebalanceListener) -> None:
        """See `GroupConsumer`."""
        self._client.subscribe([self._prefix + topic for topic in topics], listener=_Listener(self, listener))

    async def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Committed]:
        """See `GroupConsumer`."""
        with as_ours(self._address):
            found = await aiokafka_private.committed_with_metadata(self._client, self._all_prefixed(partitions))
        return {self._unprefixed(at): Committed(position.offset, position.metadata) for at, position in found.items()}

    def check(self) -> None:
        """See `GroupConsumer`."""
        try:
            aiokafka_private.check_membership(self._client)
        except KafkaError as error:
            raise ConsumerLost(f"the membership of the group broke down ({self._address}): {error!r}") from error

    def rejoin(self) -> None:
        """See `GroupConsumer`."""
        aiokafka_private.rejoin(self._client)

    def silence_s(self, partitions: Sequence[TopicPartition]) -> float | None:
        """See `GroupConsumer`."""
        times = (self._client.last_poll_timestamp(self._prefixed(partition)) for partition in partitions)
        heard_ms = max((at for at in times if at is not None), default=None)
        return None if heard_ms is None else time.time() - heard_ms / 1000


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Forwards aiokafka's rebalance callbacks to a `RebalanceListener`."""

    def __init__(self, consumer: AiokafkaConsumer, listener: RebalanceListener) -> None:
        self._consumer = consumer
        self._listener = listener

    async def on_partitions_revoked(self, revoked: Collection[PrefixedPartition]) -> None:
        await self._listener.revoked()

    async def on_partitions_assigned(self, assigned: Collection[PrefixedPartition]) -> None:
        await self._listener.assigned([self._consumer._unprefixed(partition) for partition in assigned])


@contextlib.asynccontextmanager
async def open_consumer(settings: Settings) -> AsyncIterator[AiokafkaConsumer]:
    """See `Kafka.consumer`."""
    client = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.split(","),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    async with _started(settings, client):
        yield AiokafkaConsumer(settings, client)


@contextlib.asynccontextmanager
async def open_member(
    settings: Settings, group: str, session_timeout_ms: int
) -> AsyncIterator[AiokafkaGroupConsumer]:
    """See `Kafka.member`."""
    client = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.split(","),
        client_id=settings.prefix + group,
        group_id=settings.prefix + group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="none",  # every partition seeks; an offset out of range is looked at, not skipped
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=session_timeout_ms,
        heartbeat_interval_ms=HEARTBEAT_MS,
        rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
        fetch_max_wait_ms=GROUP_FETCH_WAIT_MS,
        metadata_max_age_ms=METADATA_AGE_MS,
    )
    async with _started(settings, client):
        yield AiokafkaGroupConsumer(settings, client)


@contextlib.asynccontextmanager
async def _started(settings: Settings, client: AIOKafkaConsumer) -> AsyncIterator[None]:
    """`client`, started for the block and then stopped. Raises `ServerUnavailable`."""
    aiokafka_private.paced_consumer(client)
    try:
        try:
            await client.start()
        except (KafkaError, OSError) as error:
            raise unavailable(settings, error) from error
        yield
    finally:
        with as_ours(address(settings)):
            await client.stop()

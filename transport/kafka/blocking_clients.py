"""The blocking client ports on kafka-python. They add the installation's prefix to topics, and remove it again."""

from collections.abc import Mapping, Sequence

from kafka import TopicPartition as PrefixedPartition

from contracts.settings import Settings
from transport.kafka import clients
from transport.kafka.log_records import log_records
from transport.ports.kafka_records import LogRecord, Output, TopicPartition

READ_IN = "3.0.12"  # the version of kafka-python whose ways `KafkaPythonConsumer` goes by
DELIVERY_TIMEOUT_S = 30.0


class KafkaPythonConsumer:
    """`transport.ports.kafka.BlockingConsumer`.

    kafka-python (`READ_IN`) sets aside the fetched records of a paused partition. After the partition is resumed, it
    may never return them or fetch again. A partition that is assigned again and sought starts clean. So partitions
    that are not being read leave the client's assignment, and come back later at the position where they left off.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises `ServerUnavailable`."""
        self._settings = settings
        self._prefix = settings.prefix
        self._client = clients.consumer(settings, [], auto_offset_reset="none")
        self._left_at: dict[TopicPartition, int] = {}
        self._read_from: frozenset[TopicPartition] = frozenset()

    def partitions(self, topic: str) -> list[int]:
        """See `BlockingConsumer`."""
        with clients.as_ours(self._settings):
            return sorted(self._client.partitions_for_topic(self._prefix + topic) or ())

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """See `BlockingConsumer`."""
        self._client.assign([])
        self._read_from = frozenset()
        self._left_at = dict(offsets)

    def position(self, partition: TopicPartition) -> int:
        """See `BlockingConsumer`."""
        if partition in self._left_at:
            return self._left_at[partition]
        with clients.as_ours(self._settings):
            return int(self._client.position(self._prefixed(partition)))

    def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See `BlockingConsumer`."""
        with clients.as_ours(self._settings):
            return self._ours(self._client.beginning_offsets([self._prefixed(at) for at in partitions]))

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See `BlockingConsumer`."""
        with clients.as_ours(self._settings):
            return self._ours(self._client.end_offsets([self._prefixed(at) for at in partitions]))

    def known_end(self, partition: TopicPartition) -> int | None:
        """See `BlockingConsumer`."""
        if partition not in self._read_from:
            return None
        end: int | None = self._client.highwater(self._prefixed(partition))
        return end

    def read(
        self, partitions: Sequence[TopicPartition], most: int, timeout_s: float
    ) -> dict[TopicPartition, list[LogRecord]]:
        """See `BlockingConsumer`."""
        self._choose(frozenset(partitions))
        if not partitions:
            return {}
        with clients.as_ours(self._settings):
            found = self._client.poll(timeout_ms=int(timeout_s * 1000), max_records=most)
        return log_records(found, self._prefix)

    def close(self) -> None:
        """See `BlockingConsumer`."""
        self._client.close(timeout_ms=1_000)

    def _choose(self, chosen: frozenset[TopicPartition]) -> None:
        if chosen == self._read_from:
            return
        self._left_at |= {at: self.position(at) for at in self._read_from - chosen}
        self._client.assign([self._prefixed(at) for at in chosen])
        for at in chosen - self._read_from:
            self._client.seek(self._prefixed(at), self._left_at.pop(at))
        self._read_from = chosen

    def _prefixed(self, partition: TopicPartition) -> PrefixedPartition:
        return PrefixedPartition(self._prefix + partition.topic, partition.partition)

    def _ours(self, offsets: Mapping[PrefixedPartition, int]) -> dict[TopicPartition, int]:
        return {TopicPartition(at.topic.removeprefix(self._prefix), at.partition): offsets[at] for at in offsets}


class KafkaPythonProducer:
    """`transport.ports.kafka.Producer`."""

    def __init__(self, settings: Settings) -> None:
        """Raises `ServerUnavailable`."""
        self._settings = settings
        self._client = clients.producer(settings)

    def deliver(self, outputs: Sequence[Output]) -> None:
        """See `Producer`."""
        with clients.translated(self._settings), clients.as_ours(self._settings):
            sent = [
                self._client.send(
                    self._settings.prefix + output.topic, output.value, output.key, partition=output.partition
                )
                for output in outputs
            ]
            for delivery in sent:
                delivery.get(timeout=DELIVERY_TIMEOUT_S)

    def close(self) -> None:
        """See `Producer`."""
        self._client.close(timeout=DELIVERY_TIMEOUT_S)

"""The port `Kafka` on a real cluster: aiokafka for streams of records, kafka-python for blocking threads.

Each client is imported when it is first made: commands that look at something use kafka-python alone.
"""

from contextlib import AbstractAsyncContextManager, AbstractContextManager

from contracts.settings import Settings
from transport.kafka import clients
from transport.kafka.admin_client import open_admin
from transport.kafka.blocking_clients import KafkaPythonConsumer, KafkaPythonProducer
from transport.ports.kafka import BlockingConsumer, Consumer, GroupConsumer, Producer, TransactionalProducer
from transport.ports.kafka_admin import Admin


class KafkaCluster:
    """The cluster and the prefix that the settings name. Makes clients and keeps none of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def address(self) -> str:
        """See `Kafka`."""
        return clients.address(self._settings)

    def consumer(self) -> AbstractAsyncContextManager[Consumer]:
        """See `Kafka`."""
        from transport.kafka.aiokafka_consumer import open_consumer

        return open_consumer(self._settings)

    def member(self, group: str, *, session_timeout_ms: int) -> AbstractAsyncContextManager[GroupConsumer]:
        """See `Kafka`."""
        from transport.kafka.aiokafka_consumer import open_member

        return open_member(self._settings, group, session_timeout_ms)

    def own(self, group: str, number: int) -> AbstractAsyncContextManager[TransactionalProducer]:
        """See `Kafka`."""
        from transport.kafka.transactional_producer import AiokafkaTransactionalProducer

        return AiokafkaTransactionalProducer(self._settings, group, number).owned()

    def own_blocking(self, name: str) -> AbstractContextManager[Producer]:
        """See `Kafka`."""
        from transport.kafka.blocking_transactions import BlockingTransactions

        return BlockingTransactions(self._settings, name)

    def blocking_consumer(self) -> BlockingConsumer:
        """See `Kafka`."""
        return KafkaPythonConsumer(self._settings)

    def producer(self) -> Producer:
        """See `Kafka`."""
        return KafkaPythonProducer(self._settings)

    def admin(self) -> AbstractContextManager[Admin]:
        """See `Kafka`."""
        return open_admin(self._settings)

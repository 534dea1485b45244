"""Deletes a demo's topics, consumer groups and Redis keys from servers that the demo did not start."""

import contextlib

from contracts.settings import Settings
from driftline.inspect.lags import GROUPS
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import KafkaFailed
from transport.redis.connection import connect_blocking
from transport.redis.errors import unavailable_as_such

_KEYS_AT_ONCE = 1_000


def delete_demo_data(settings: Settings, *, kafka: bool, redis: bool) -> None:
    """Delete everything under the settings' prefix: on Kafka if `kafka`, in Redis if `redis`.

    Raises `ServerUnavailable`, and `ValueError` without a prefix.
    """
    if not settings.prefix:
        raise ValueError("without a prefix, the demo's data cannot be distinguished from other data")
    if kafka:
        kafka_admin.delete(settings)
        # A failure is harmless: groups without members expire anyway.
        with contextlib.suppress(KafkaFailed), KafkaCluster(settings).admin() as admin:
            admin.forget(list(GROUPS))
    if redis:
        with unavailable_as_such(settings), connect_blocking(settings) as client:
            keys = client.scan_iter(match=f"{settings.prefix}*", count=_KEYS_AT_ONCE)
            batch: list[bytes] = []
            for key in keys:
                batch.append(key)
                if len(batch) == _KEYS_AT_ONCE:
                    client.unlink(*batch)
                    batch.clear()
            if batch:
                client.unlink(*batch)

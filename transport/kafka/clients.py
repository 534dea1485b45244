"""kafka-python clients with our settings, for administration, doctor, the command line and plain consumers.

They block. High-rate streams use aiokafka, which is 20 times as fast (`aiokafka_consumer.py`,
`transactional_producer.py`, `writer.py`).
"""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, OffsetOutOfRangeError

from contracts.errors import ServerUnavailable, SettingsError
from contracts.settings import Settings
from contracts.topics import ALL, Topic, prefixed
from transport.ports.kafka_records import KafkaFailed, OffsetOutOfRange

BOOTSTRAP_TIMEOUT_MS = 5_000  # a person waits this long to read that the broker is not there
MAX_REQUEST_BYTES = max(topic.max_message_bytes for topic in ALL)

# The compression of our producers. On one core, aiokafka's lz4, which always uses level 9, compresses 34 MB/s of JSON
# tweets; its zstd compresses 220 MB/s, into smaller batches. Both clients can read zstd with the installed packages.
COMPRESSION = "zstd"


def address(settings: Settings) -> str:
    """The server, its address and the setting that names it, for messages."""
    return f"Kafka at {settings.kafka} (setting DRIFTLINE_KAFKA)"


def unavailable(settings: Settings, error: BaseException | str) -> ServerUnavailable:
    """The error to raise for a broker that does not answer."""
    return ServerUnavailable(
        f"Kafka does not answer at {settings.kafka} (setting DRIFTLINE_KAFKA): {error}; "
        "start it with `driftline up`, or set DRIFTLINE_KAFKA to a broker that runs"
    )


def _require_listener(settings: Settings) -> None:
    """Raises `ServerUnavailable` unless one of the addresses accepts connections.

    kafka-python would retry a refused connection until its timeout, and then leave its sockets open.
    """
    error: OSError | None = None
    for address in settings.kafka.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), BOOTSTRAP_TIMEOUT_MS / 1000).close()
        except OSError as refused:
            error = refused
        except ValueError as malformed:
            raise SettingsError(f"DRIFTLINE_KAFKA: {address!r} is not host:port") from malformed
        else:
            return
    raise unavailable(settings, error or "no address given") from error


@contextlib.contextmanager
def translated(settings: Settings) -> Iterator[None]:
    """Connection errors and timeouts of kafka-python become `ServerUnavailable`."""
    try:
        _require_listener(settings)
        yield
    except (KafkaConnectionError, KafkaTimeoutError) as error:
        raise unavailable(settings, error) from error


@contextlib.contextmanager
def as_ours(settings: Settings) -> Iterator[None]:
    """kafka-python's errors become `ServerUnavailable`, `OffsetOutOfRange` and `KafkaFailed`."""
    try:
        yield
    except (KafkaConnectionError, KafkaTimeoutError) as error:
        raise unavailable(settings, error) from error
    except OffsetOutOfRangeError as error:
        raise OffsetOutOfRange(f"{address(settings)}: {error}") from error
    except KafkaError as error:
        raise KafkaFailed(f"{address(settings)}: {error!r}") from error


def answers(server: str) -> bool:
    """Whether the broker that listens at `server` (host:port) also serves metadata."""
    try:
        client = KafkaAdminClient(bootstrap_servers=server, request_timeout_ms=2000)
    except KafkaError:
        return False
    try:
        return bool(client.describe_cluster()["brokers"])
    except KafkaError:
        return False
    finally:
        client.close()


@contextlib.contextmanager
def admin(settings: Settings) -> Iterator[KafkaAdminClient]:
    """An administration client for the block, closed at its end. Raises `ServerUnavailable`, also from the block."""
    with translated(settings):
        client = KafkaAdminClient(
            bootstrap_servers=settings.kafka.split(","),
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            client_id=f"{settings.prefix}driftline-admin",
        )
        with contextlib.closing(client):
            yield client


def consumer(
    settings: Settings,
    topics: Sequence[Topic],
    group: str | None = None,
    **options: Any,
) -> KafkaConsumer:
    """A plain consumer of `topics`. It reads committed records from the beginning and commits no offsets by itself.

    Raises `ServerUnavailable`. Close it, or use it in `contextlib.closing`.
    """
    with translated(settings):
        return KafkaConsumer(
            *(prefixed(topic, settings.prefix).name for topic in topics),
            bootstrap_servers=settings.kafka.split(","),
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            group_id=settings.prefix + group if group else None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
            **{"auto_offset_reset": "earliest", **options},
        )


def producer(settings: Settings, **options: Any) -> KafkaProducer:
    """A plain idempotent producer. Raises `ServerUnavailable`. For high rates use `KafkaWriter`."""
    with translated(settings):
        return KafkaProducer(
            bootstrap_servers=settings.kafka.split(","),
            bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
            acks="all",
            enable_idempotence=True,
            compression_type=COMPRESSION,
            max_request_size=MAX_REQUEST_BYTES,
            allow_auto_create_topics=False,
            **options,
        )


def check_reachable(settings: Settings) -> None:
    """Raises `ServerUnavailable` unless a broker answers."""
    with admin(settings) as client:
        try:
            client.describe_cluster()
        except KafkaError as error:
            raise unavailable(settings, error) from error

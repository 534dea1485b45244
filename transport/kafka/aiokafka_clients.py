"""What our aiokafka clients share: translating aiokafka's errors into ours, and closing cleanly."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError, OffsetOutOfRangeError

from transport.ports.kafka_records import KafkaFailed, OffsetOutOfRange

log = logging.getLogger(__name__)

CLOSE_S = 5.0  # for a producer to close in good order


@contextlib.contextmanager
def as_ours(address: str) -> Iterator[None]:
    """aiokafka's errors become `OffsetOutOfRange` and `KafkaFailed`, which name the address."""
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise OffsetOutOfRange(f"{address}: {error!r}") from error
    except (KafkaError, IllegalOperation, OSError) as error:
        raise KafkaFailed(f"{address}: {error!r}") from error


async def close(producer: AIOKafkaProducer) -> None:
    """Stop `producer`, within `CLOSE_S` seconds if its broker is away. The next owner aborts an open transaction."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await producer.stop()
    except (KafkaError, TimeoutError) as error:
        log.debug("a producer did not close in good order: %r", error)
        await producer.client.close()

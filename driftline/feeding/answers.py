"""Reads ranked timelines as they arrive: a blocking consumer, polled in a thread, from the end of the log."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence

from contracts.answers import AnswerCodec
from contracts.errors import BadRecord
from contracts.records import RankedTimeline, RequestRefused
from contracts.settings import Settings
from contracts.topics import TIMELINES_RANKED
from eventtime.ticks import TICK_KEY
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka import BlockingConsumer
from transport.ports.kafka_records import TopicPartition

log = logging.getLogger(__name__)

_POLL_S = 0.1
_POLL_RECORDS = 500
_codec = AnswerCodec()


@contextlib.asynccontextmanager
async def open_answers(settings: Settings) -> AsyncIterator["Answers"]:
    """Read the answers to all requests written from now on: all partitions' ends are fixed before this returns.

    Raises `ServerUnavailable`.
    """
    consumer, partitions = await asyncio.to_thread(_at_the_end, settings)
    try:
        yield Answers(consumer, partitions)
    finally:
        await asyncio.to_thread(consumer.close)


def _at_the_end(settings: Settings) -> tuple[BlockingConsumer, list[TopicPartition]]:
    """A consumer at the end of every partition. Waits until the topic exists."""
    consumer = KafkaCluster(settings).blocking_consumer()
    try:
        while not (numbers := consumer.partitions(TIMELINES_RANKED.name)):
            time.sleep(_POLL_S)
        partitions = [TopicPartition(TIMELINES_RANKED.name, number) for number in numbers]
        consumer.assign(consumer.ends(partitions))
    except BaseException:
        consumer.close()
        raise
    return consumer, partitions


class Answers:
    """The reader. Values that do not decode are logged and skipped."""

    def __init__(self, consumer: BlockingConsumer, partitions: Sequence[TopicPartition]) -> None:
        self._consumer = consumer
        self._partitions = partitions

    async def take(self) -> list[RankedTimeline]:
        """Wait up to 100 ms for timelines, of any requests, and return them; perhaps none."""
        polled = await asyncio.to_thread(self._consumer.read, self._partitions, _POLL_RECORDS, _POLL_S)
        found = []
        for records in polled.values():
            for record in records:
                if record.key == TICK_KEY or record.value is None:
                    continue
                try:
                    answer = _codec.deserialize(record.value)
                except BadRecord as error:
                    log.warning("%s[%d]@%d: %s", record.topic, record.partition, record.offset, error)
                    continue
                if isinstance(answer, RequestRefused):
                    log.warning("request %s was refused: %s", answer.request_id, answer.detail)
                else:
                    found.append(answer)
        return found

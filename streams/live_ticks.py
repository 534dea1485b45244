"""The ticks of a live installation, for partitions that get no events: they would hold back everyone's event time.

A tick says that event time has reached this machine's clock. Readers never let it go past the time at which the
broker appended it, so a wrong clock here makes no event late. After a program has declared a replay, no ticks are
written until `driftline time live`.

Scorers pass the ticks of `timeline-requests` on to `candidates-served`. Where no scorer runs, they are written there
directly. A scorer that was stopped may have requests to answer, whose event time must not pass before: so this waits
for it as long as an answer could still be labelled.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping

from contracts.errors import BadRecord
from contracts.records import TimeMode
from contracts.settings import Settings
from contracts.topics import CANDIDATES_SERVED, ENGAGEMENTS, EVENT_TIME, TIMELINE_REQUESTS, TWEETS, Topic
from eventtime.declarations import read_declaration
from eventtime.ticks import TICK_KEY, tick_value
from transport.metrics import LIVE_TICKS
from transport.ports.clock import Clock
from transport.ports.kafka import BlockingConsumer, Kafka, Producer
from transport.ports.kafka_admin import Admin
from transport.ports.kafka_records import Output, TopicPartition
from transport.system.clock import SYSTEM_CLOCK

log = logging.getLogger(__name__)

SCORERS = "scorer"  # the group of the scorers
_DECLARATIONS = TopicPartition(EVENT_TIME.name, 0)


class LiveTicks:
    """Writes the ticks: call `write` every few seconds. It blocks, for the time of some requests to the broker."""

    def __init__(
        self,
        settings: Settings,
        consumer: BlockingConsumer,
        producer: Producer,
        admin: Admin,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._consumer, self._producer, self._admin = consumer, producer, admin
        self._clock = clock
        self._settings = settings
        self._scorer_back_us = settings.join.label_window_ms * 1000
        self._replay = False
        self._ends: Mapping[TopicPartition, int] = {}
        self._scorer_seen_us: int | None = None
        consumer.assign(consumer.begins([_DECLARATIONS]))

    def write(self) -> int:
        """Tick the partitions that got nothing since the last call; returns how many. None in a replay.

        Raises `ServerUnavailable` and `KafkaFailed`.
        """
        self._read_declarations()
        ticked: list[Topic] = [TWEETS, ENGAGEMENTS, TIMELINE_REQUESTS]
        if self._no_scorer():
            ticked.append(CANDIDATES_SERVED)
        partitions = [
            TopicPartition(topic.name, number)
            for topic in ticked
            for number in range(topic.partitions(self._settings))
        ]
        ends = self._consumer.ends(partitions)
        idle = [partition for partition in partitions if self._ends.get(partition) == ends[partition]]
        self._ends = ends
        if self._replay or not idle:
            return 0
        value = tick_value(self._clock.now_ms())
        self._producer.deliver([Output(at.topic, value, TICK_KEY, at.partition) for at in idle])
        # Our own ticks are no events. If an event came in between, its partition counts as idle once too often.
        self._ends = {**ends, **{partition: ends[partition] + 1 for partition in idle}}
        LIVE_TICKS.inc(len(idle))
        return len(idle)

    def _read_declarations(self) -> None:
        end = self._consumer.ends([_DECLARATIONS])[_DECLARATIONS]
        while self._consumer.position(_DECLARATIONS) < end:
            for record in self._consumer.read([_DECLARATIONS], 500, 1.0).get(_DECLARATIONS, []):
                try:
                    declared = read_declaration(record.value)
                except BadRecord as error:
                    log.error("%s@%d is passed over: %s", EVENT_TIME.name, record.offset, error)
                    continue
                self._replay = declared.mode is TimeMode.REPLAY
                log.info(
                    "event time is %s, declared by %s (epoch %d)", declared.mode, declared.writer, declared.epoch
                )

    def _no_scorer(self) -> bool:
        """Whether there never was a scorer, or none for so long that no answer of its could be labelled any more."""
        now_us = self._clock.monotonic_us()
        if self._admin.members(SCORERS):
            self._scorer_seen_us = now_us
            return False
        if self._scorer_seen_us is None:
            if not self._admin.committed([SCORERS]).get(SCORERS):
                return True
            self._scorer_seen_us = now_us
        return now_us - self._scorer_seen_us >= self._scorer_back_us


@contextlib.contextmanager
def open_live_ticks(settings: Settings, kafka: Kafka, clock: Clock = SYSTEM_CLOCK) -> Iterator[LiveTicks]:
    """Connected `LiveTicks` for the block. Blocks to connect; raises `ServerUnavailable`."""
    with contextlib.ExitStack() as stack:
        consumer = kafka.blocking_consumer()
        stack.callback(consumer.close)
        producer = kafka.producer()
        stack.callback(producer.close)
        yield LiveTicks(settings, consumer, producer, stack.enter_context(kafka.admin()), clock)

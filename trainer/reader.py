"""Reads `examples`, `vocab-deltas` and `bins` in a thread of its own, so that fetching and decoding overlap learning.

Partitions are assigned by hand, `examples` and `vocab-deltas` from the checkpoint's offsets, `bins` (a short log)
from its beginning. Read-committed. What is read ahead is bounded: a partition that has enough waiting is paused until
half of it is taken.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import OffsetOutOfRangeError

from contracts.codec import Codec
from contracts.errors import BadRecord, DriftlineError
from contracts.frames import VocabDelta
from contracts.records import BinsVersion
from contracts.settings import Settings
from contracts.topics import BINS, EXAMPLES, VOCAB_DELTAS, Topic, prefixed
from trainer.check import read_examples
from trainer.interleave import Interleave
from trainer.trainer import Consumed
from trainer.versions import Versions
from transport.dead_letters import dead_letter
from transport.hop import Output
from transport.kafka_clients import BOOTSTRAP_TIMEOUT_MS, translated

MOST_ROWS = 20_000  # examples of one partition that may wait, some 10 MB
MOST_DELTAS = 512  # records of one partition of a delta log that may wait
POLL_MS = 100
POLL_RECORDS = 64

Read = tuple[Consumed, Output | None]  # a record, or its place and its dead letter
_BEFORE_ALL_MS = -1  # the event time of what cannot be decoded: it holds nobody up
_delta_codec, _bins_codec = Codec(VocabDelta), Codec(BinsVersion)


class LogReader:
    """The reading thread, and what it has read and nobody has taken. All methods are for one learning thread."""

    def __init__(self, settings: Settings, offsets: Mapping[Topic, Mapping[int, int]]) -> None:
        """Connect, seek and start. Raises `ServerUnavailable` for a broker that does not answer, and `DriftlineError`
        for a topic that does not exist or an offset that retention has deleted."""
        with translated(settings):
            self._consumer = KafkaConsumer(
                bootstrap_servers=settings.kafka.split(","),
                bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
                isolation_level="read_committed",
                auto_offset_reset="none",  # an offset that is gone is an error, never a silent jump
                enable_auto_commit=False,
                allow_auto_create_topics=False,
                max_poll_records=POLL_RECORDS,
            )
            self._topics = _assign(self._consumer, settings, offsets)
        self._changed = threading.Condition()  # guards all that follows
        self._waiting: dict[TopicPartition, int] = defaultdict(int)  # rows or records read and not taken
        self._examples = {tp.partition: tp for tp, topic in self._topics.items() if topic == EXAMPLES}
        self._merged: Interleave[Read] = Interleave(self._examples)
        self._deltas: deque[tuple[TopicPartition, int, VocabDelta | BinsVersion]] = deque()
        self._at_end: frozenset[int] = frozenset()
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(1, "examples-reader")
        self._run_result = self._thread.submit(self._run)

    def take(self) -> Read | None:
        """The next record of `examples`, in the one order over partitions; None if it is not known yet.

        Raises what ended the reading thread, if something did.
        """
        self._raise_if_ended()
        with self._changed:
            read = self._merged.take(self._at_end)
            if read is not None:
                self._waiting[self._examples[read[0].partition]] -= _size(read[0])
        return read

    def feed(self, versions: Versions) -> None:
        """Hand over all deltas that were read; a partition of which `versions` holds many is not read on."""
        self._raise_if_ended()
        with self._changed:
            for tp, offset, delta in self._deltas:
                if isinstance(delta, BinsVersion):
                    versions.feed_bins(delta)
                else:
                    versions.feed_vocabulary(tp.partition, offset, delta)
            self._deltas.clear()
            for tp, topic in self._topics.items():
                if topic == VOCAB_DELTAS:
                    self._waiting[tp] = versions.waiting_deltas(tp.partition)
                elif topic == BINS:
                    self._waiting[tp] = versions.waiting_bins()

    def wait(self, seconds: float) -> None:
        """Until something new was read, or so long."""
        with self._changed:
            self._changed.wait(seconds)

    def close(self) -> None:
        """End the thread and the connection."""
        self._stopping.set()
        self._thread.shutdown()

    def _raise_if_ended(self) -> None:
        if self._run_result.done():
            self._run_result.result()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._read_once()
        except OffsetOutOfRangeError as error:
            raise _gone(error) from error
        finally:
            self._consumer.close(timeout_ms=1_000)

    def _read_once(self) -> None:
        polled = self._consumer.poll(timeout_ms=POLL_MS)
        decoded = [(tp, [_decode(self._topics[tp], record) for record in records]) for tp, records in polled.items()]
        at_end = frozenset(partition for partition, tp in self._examples.items() if self._is_at_end(tp))
        with self._changed:
            for tp, items in decoded:
                for item in items:
                    self._hold(tp, item)
            news = bool(decoded) or at_end != self._at_end
            self._at_end = at_end
            held = dict(self._waiting)
            if news:
                self._changed.notify_all()
        self._pause_or_resume(held)

    def _hold(self, tp: TopicPartition, item: Any) -> None:
        if self._topics[tp] == EXAMPLES:
            at_ms, read = item
            self._merged.offer(tp.partition, at_ms, read)
            self._waiting[tp] += _size(read[0])
        else:
            self._deltas.append((tp, *item))
            self._waiting[tp] += 1

    def _is_at_end(self, tp: TopicPartition) -> bool:
        end = self._consumer.highwater(tp)  # None before the first fetch
        return end is not None and self._consumer.position(tp) >= end

    def _pause_or_resume(self, held: Mapping[TopicPartition, int]) -> None:
        paused = self._consumer.paused()
        for tp, topic in self._topics.items():
            most = MOST_ROWS if topic == EXAMPLES else MOST_DELTAS
            if tp in paused and held.get(tp, 0) <= most // 2:
                self._consumer.resume(tp)
            elif tp not in paused and held.get(tp, 0) >= most:
                self._consumer.pause(tp)


def _assign(
    consumer: KafkaConsumer, settings: Settings, offsets: Mapping[Topic, Mapping[int, int]]
) -> dict[TopicPartition, Topic]:
    """Assign every partition of the three topics and seek; returns what each partition is of."""
    topics: dict[TopicPartition, Topic] = {}
    for topic in (EXAMPLES, VOCAB_DELTAS, BINS):
        name = prefixed(topic, settings.prefix).name
        partitions = consumer.partitions_for_topic(name)
        if not partitions:
            raise DriftlineError(f"topic {name} does not exist at {settings.kafka}; run `driftline topics apply`")
        topics |= {TopicPartition(name, partition): topic for partition in partitions}
    consumer.assign(list(topics))
    for tp, begin in consumer.beginning_offsets(list(topics)).items():
        wanted = offsets.get(topics[tp], {}).get(tp.partition, begin)
        if wanted < begin:
            raise DriftlineError(
                f"{tp.topic} partition {tp.partition} begins at offset {begin}, but the checkpoint ends at {wanted}: "
                f"retention has deleted {begin - wanted} records that were not read; "
                "set DRIFTLINE_TRAINER_NAME to begin another model"
            )
        consumer.seek(tp, wanted)
    return topics


def _decode(topic: Topic, record: Any) -> Any:
    """(event time, Read) of `examples`, else (offset, delta). Raises `BadRecord` for a delta: none can be skipped."""
    if topic == VOCAB_DELTAS:
        return record.offset, _delta_codec.decode(record.value)
    if topic == BINS:
        return record.offset, _bins_codec.decode(record.value)
    try:
        examples = read_examples(record.value)
    except BadRecord as error:
        consumed = Consumed(record.partition, record.offset, None)
        return _BEFORE_ALL_MS, (consumed, dead_letter(EXAMPLES, record, error))
    at_ms = int(examples.at_ms[-1]) if len(examples) else _BEFORE_ALL_MS
    return at_ms, (Consumed(record.partition, record.offset, examples), None)


def _size(consumed: Consumed) -> int:
    return 1 if consumed.examples is None else max(len(consumed.examples), 1)


def _gone(error: OffsetOutOfRangeError) -> DriftlineError:
    return DriftlineError(
        f"retention has deleted examples that were not learned yet ({error}): the trainer was too slow for the "
        "topic's retention; give it more, or set DRIFTLINE_TRAINER_NAME to begin another model"
    )

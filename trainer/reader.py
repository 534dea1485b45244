"""Reads `examples`, `vocab-deltas` and `bins` in a thread of its own, so that fetching and decoding overlap learning.

Partitions are assigned by hand, `examples` and `vocab-deltas` from the checkpoint's offsets, `bins` (a short log)
from its beginning. Read-committed. What is read ahead is bounded: a partition that has enough waiting is left until
half of it is taken.
"""

import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import OffsetOutOfRangeError

from contracts.codec import Codec
from contracts.columnar import VocabDelta
from contracts.errors import BadRecord, DriftlineError
from contracts.records import BinsVersion
from contracts.settings import Settings
from contracts.topics import BINS, EXAMPLES, VOCAB_DELTAS, Topic, prefixed
from trainer.check_examples import read_examples
from trainer.interleave import Interleave
from trainer.trainer import Consumed
from trainer.versions import Versions
from transport.dead_letters import dead_letter
from transport.hop.hop import Output
from transport.kafka.clients import BOOTSTRAP_TIMEOUT_MS, translated

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
        with translated(settings), contextlib.ExitStack() as undo:
            self._consumer = _consumer(settings)
            undo.callback(self._consumer.close)
            self._topics = _assign(self._consumer, settings, offsets)
            undo.pop_all()
        self._changed = threading.Condition()  # guards all that follows
        self._waiting: dict[TopicPartition, int] = defaultdict(int)  # rows or records read and not taken
        self._examples = {tp.partition: tp for tp, topic in self._topics.items() if topic == EXAMPLES}
        self._merged: Interleave[Read] = Interleave(self._examples)
        self._deltas: deque[tuple[TopicPartition, int, VocabDelta | BinsVersion]] = deque()
        self._at_end: frozenset[int] = frozenset()
        self._read_from = set(self._topics)  # this and the next: of the reading thread alone
        self._left_at: dict[TopicPartition, int] = {}
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
        if self._read_from:
            polled = self._consumer.poll(timeout_ms=POLL_MS)
        else:
            polled = {}
            self._stopping.wait(POLL_MS / 1000)
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
        self._choose(held)

    def _hold(self, tp: TopicPartition, item: Any) -> None:
        if self._topics[tp] == EXAMPLES:
            at_ms, read = item
            self._merged.offer(tp.partition, at_ms, read)
            self._waiting[tp] += _size(read[0])
        else:
            self._deltas.append((tp, *item))
            self._waiting[tp] += 1

    def _is_at_end(self, tp: TopicPartition) -> bool:
        if tp not in self._read_from:
            return False
        end = self._consumer.highwater(tp)  # None before the first fetch
        return end is not None and self._consumer.position(tp) >= end

    def _choose(self, held: Mapping[TopicPartition, int]) -> None:
        """Read on where little waits: the others leave the assignment, and come back where they were left.

        kafka-python (3.0.12) parks the fetched records of a partition that is paused and may never give them back
        when it is resumed, nor fetch it again; one that is assigned anew and sought begins afresh.
        """
        chosen = {tp for tp in self._topics if held.get(tp, 0) < self._limit(tp)}
        if chosen == self._read_from:
            return
        self._left_at |= {tp: self._consumer.position(tp) for tp in self._read_from - chosen}
        self._consumer.assign(list(chosen))
        for tp in chosen - self._read_from:
            self._consumer.seek(tp, self._left_at.pop(tp))
        self._read_from = chosen

    def _limit(self, tp: TopicPartition) -> int:
        """Of what may wait; half of it where a partition was left for having too much."""
        most = MOST_ROWS if self._topics[tp] == EXAMPLES else MOST_DELTAS
        return most if tp in self._read_from else most // 2


def _consumer(settings: Settings) -> KafkaConsumer:
    """As `transport.kafka.clients.consumer`, but an offset that is gone is an error and never a silent jump."""
    return KafkaConsumer(
        bootstrap_servers=settings.kafka.split(","),
        bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
        isolation_level="read_committed",
        auto_offset_reset="none",
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        max_poll_records=POLL_RECORDS,
    )


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
        return record.offset, _delta_codec.deserialize(record.value)
    if topic == BINS:
        return record.offset, _bins_codec.deserialize(record.value)
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

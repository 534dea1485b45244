"""Reads `examples`, `vocab-deltas` and `bins` ahead of the learning, step by step: one poll, decoded, held.

Partitions are assigned by hand, `examples` and `vocab-deltas` from the checkpoint's offsets, `bins` (a short log)
from its beginning. What is read ahead is bounded: a partition that has enough waiting is left until half of it is
taken. `reading_thread.py` takes the steps in production, so that fetching and decoding overlap learning.
"""

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.codec import Codec
from contracts.columnar import VocabDelta
from contracts.errors import DriftlineError
from contracts.records import BinsVersion
from contracts.topics import BINS, EXAMPLES, VOCAB_DELTAS, Topic
from trainer.check_examples import read_examples
from trainer.interleave import Interleave
from trainer.trainer import Consumed
from trainer.versions import Versions
from transport.dead_letters import as_bad_record, dead_letter
from transport.ports.kafka import BlockingConsumer, Kafka
from transport.ports.kafka_records import LogRecord, OffsetOutOfRange, Output, TopicPartition

_log = logging.getLogger(__name__)

MOST_ROWS = 20_000  # examples of one partition that may wait, some 10 MB
MOST_DELTAS = 512  # records of one partition of a delta log that may wait
POLL_S = 0.1
POLL_RECORDS = 64

Read = tuple[Consumed, Output | None]  # a record, or its place and its dead letter
_BEFORE_ALL_MS = -1  # the event time of what cannot be decoded: it holds nobody up
_delta_codec, _bins_codec = Codec(VocabDelta), Codec(BinsVersion)


@dataclass(frozen=True, slots=True)
class _TimedRead:
    """A record of `examples` at its place in the order over partitions: the event time of its last row."""

    at_ms: int
    read: Read


@dataclass(frozen=True, slots=True)
class _ReadDelta:
    """A record of `vocab-deltas` or `bins`, and where it stood."""

    at: TopicPartition
    offset: int
    delta: VocabDelta | BinsVersion


class LogReader:
    """What was read and nobody has taken. `step` and `close` are for one thread, all else for one that learns."""

    def __init__(
        self,
        kafka: Kafka,
        offsets: Mapping[Topic, Mapping[int, int]],
        topic_ids: Mapping[str, str] | None = None,
        *,
        resumes: bool,
    ) -> None:
        """Connect and assign.

        offsets: where the checkpoint ends. topic_ids: topic -> its id at the checkpoint. resumes: whether there is
        one; a partition that it does not know is then read from offset 0, or there are examples that were never
        learned. Raises `ServerUnavailable` for a broker that does not answer, and `DriftlineError` for a topic that
        does not exist or was made anew, or an offset that its log does not hold.
        """
        self._kafka = kafka
        self._consumer = kafka.blocking_consumer()
        try:
            positions = _positions(kafka, self._consumer, offsets, resumes)
            self.topic_ids = _topic_ids(kafka)
            for topic, topic_id in (topic_ids or {}).items():
                if self.topic_ids[topic] != topic_id:
                    raise _made_anew(topic)
        except BaseException:
            self._consumer.close()
            raise
        self._consumer.assign(positions)
        self._partitions = list(positions)
        self._changed = threading.Condition()  # guards all that follows
        self._waiting: dict[TopicPartition, int] = defaultdict(int)  # rows or records read and not taken
        self._merged: Interleave[Read] = Interleave(at.partition for at in positions if at.topic == EXAMPLES.name)
        self._deltas: deque[_ReadDelta] = deque()
        self._at_end: frozenset[int] = frozenset()
        self._read_from = set(positions)  # of the stepping thread alone

    def take(self) -> Read | None:
        """The next record of `examples`, in the one order over partitions; None if it is not known yet."""
        with self._changed:
            read = self._merged.take(self._at_end)
            if read is not None:
                self._waiting[TopicPartition(EXAMPLES.name, read[0].partition)] -= _size(read[0])
        return read

    def feed(self, versions: Versions) -> None:
        """Hand over all deltas that were read; a partition of which `versions` holds many is not read on."""
        with self._changed:
            for read in self._deltas:
                if isinstance(read.delta, BinsVersion):
                    versions.feed_bins(read.delta)
                else:
                    versions.feed_vocabulary(read.at.partition, read.offset, read.delta)
            self._deltas.clear()
            for at in self._partitions:
                if at.topic == VOCAB_DELTAS.name:
                    self._waiting[at] = versions.waiting_deltas(at.partition)
                elif at.topic == BINS.name:
                    self._waiting[at] = versions.waiting_bins()

    def wait(self, seconds: float) -> None:
        """Until something new was read, or so long."""
        with self._changed:
            self._changed.wait(seconds)

    def step(self) -> bool:
        """Poll once, decode, hold. Returns False, at once, where enough is waiting of every partition.

        Raises `DriftlineError` where retention has deleted what was to be read, `BadRecord` for a delta that does not
        decode (none can be skipped), and as `BlockingConsumer.read` does.
        """
        with self._changed:
            self._read_from = {at for at in self._partitions if self._waiting[at] < self._limit(at)}
            if not self._read_from:
                self._at_end = frozenset()
                return False
        try:
            polled = self._consumer.read(sorted(self._read_from), POLL_RECORDS, POLL_S)
        except OffsetOutOfRange as error:
            raise self._gone(error) from error
        examples, deltas = _decode(polled)
        at_end = frozenset(at.partition for at in self._read_from if self._is_at_end_of_examples(at))
        with self._changed:
            for timed in examples:
                self._hold(timed)
            for delta in deltas:
                self._deltas.append(delta)
                self._waiting[delta.at] += 1
            if polled or at_end != self._at_end:
                self._at_end = at_end
                self._changed.notify_all()
        return True

    def close(self) -> None:
        """Let the connection go."""
        self._consumer.close()

    def _gone(self, error: OffsetOutOfRange) -> DriftlineError:
        for topic, topic_id in _topic_ids(self._kafka).items():
            if topic_id != self.topic_ids[topic]:
                return _made_anew(topic)
        return DriftlineError(
            f"retention has deleted examples that were not learned yet ({error}): the trainer was too slow for the "
            "topic's retention; give it more, or set DRIFTLINE_TRAINER_NAME to begin another model"
        )

    def _hold(self, timed: _TimedRead) -> None:
        consumed = timed.read[0]
        self._merged.offer(consumed.partition, timed.at_ms, timed.read)
        self._waiting[TopicPartition(EXAMPLES.name, consumed.partition)] += _size(consumed)

    def _is_at_end_of_examples(self, at: TopicPartition) -> bool:
        if at.topic != EXAMPLES.name:
            return False
        end = self._consumer.known_end(at)
        return end is not None and self._consumer.position(at) >= end

    def _limit(self, at: TopicPartition) -> int:
        """Of what may wait; half of it where a partition was left for having too much."""
        most = MOST_ROWS if at.topic == EXAMPLES.name else MOST_DELTAS
        return most if at in self._read_from else most // 2


def _positions(
    kafka: Kafka, consumer: BlockingConsumer, offsets: Mapping[Topic, Mapping[int, int]], resumes: bool
) -> dict[TopicPartition, int]:
    """Where each partition of the three topics is to be read from."""
    positions: dict[TopicPartition, int] = {}
    for topic in (EXAMPLES, VOCAB_DELTAS, BINS):
        partitions = [TopicPartition(topic.name, number) for number in consumer.partitions(topic.name)]
        if not partitions:
            raise DriftlineError(f"{kafka.address} has no topic {topic.name}; run `driftline topics apply`")
        begins, ends = consumer.begins(partitions), consumer.ends(partitions)
        for at in partitions:
            # Only a new model may begin in the middle of a log, and only of examples: deltas are a chain.
            first = 0 if resumes or topic is not EXAMPLES else begins[at]
            positions[at] = wanted = offsets.get(topic, {}).get(at.partition, first)
            if not begins[at] <= wanted <= ends[at]:
                raise _not_held(at, wanted, begins[at], ends[at])
            if wanted and at.partition not in offsets.get(topic, {}):
                _log.warning(
                    "%s partition %d begins at offset %d: retention has deleted what came before, and a new model "
                    "does not learn from it",
                    at.topic,
                    at.partition,
                    wanted,
                )
    return positions


def _topic_ids(kafka: Kafka) -> dict[str, str]:
    """Topic -> its id, of the three topics. Raises `UnknownTopic` for one that is deleted just now."""
    with kafka.admin() as admin:
        found = admin.describe([topic.name for topic in (EXAMPLES, VOCAB_DELTAS, BINS)])
    return {topic: described.topic_id for topic, described in found.items()}


def _made_anew(topic: str) -> DriftlineError:
    return DriftlineError(
        f"the topic {topic} was deleted and made anew, so its offsets are not those that this model has learned up "
        "to. Set DRIFTLINE_TRAINER_NAME to begin another model"
    )


def _not_held(at: TopicPartition, wanted: int, begin: int, end: int) -> DriftlineError:
    if wanted > end:
        why = "the broker has lost records"
    else:
        why = f"retention has deleted {begin - wanted} records that were not read"
    return DriftlineError(
        f"{at.topic} partition {at.partition} is to be read from offset {wanted}, but holds {begin} to {end}: {why}. "
        "Set DRIFTLINE_TRAINER_NAME to begin another model"
    )


def _decode(polled: Mapping[TopicPartition, list[LogRecord]]) -> tuple[list[_TimedRead], list[_ReadDelta]]:
    """In each partition's order. Raises `BadRecord` for a delta: none can be skipped."""
    examples: list[_TimedRead] = []
    deltas: list[_ReadDelta] = []
    for at, records in polled.items():
        if at.topic == EXAMPLES.name:
            examples += [_decode_examples(record) for record in records]
        else:
            deltas += [_ReadDelta(at, record.offset, _decode_delta(at, record)) for record in records]
    return examples, deltas


def _decode_delta(at: TopicPartition, record: LogRecord) -> VocabDelta | BinsVersion:
    value = record.value or b""
    return _delta_codec.deserialize(value) if at.topic == VOCAB_DELTAS.name else _bins_codec.deserialize(value)


def _decode_examples(record: LogRecord) -> _TimedRead:
    try:
        examples = read_examples(record.value or b"")
    except Exception as error:  # noqa: BLE001 - no record may stop a trainer
        consumed, bad = Consumed(record.partition, record.offset, None), as_bad_record(error)
        _log.warning(
            "%s partition %d offset %d is not learned from: %s", EXAMPLES.name, record.partition, record.offset, bad
        )
        return _TimedRead(_BEFORE_ALL_MS, (consumed, dead_letter(EXAMPLES, record, bad)))
    at_ms = int(examples.at_ms[-1]) if len(examples) else _BEFORE_ALL_MS
    return _TimedRead(at_ms, (Consumed(record.partition, record.offset, examples), None))


def _size(consumed: Consumed) -> int:
    return 1 if consumed.examples is None else max(len(consumed.examples), 1)

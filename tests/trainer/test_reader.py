"""What the trainer reads ahead: bounded, in one order over partitions, what it cannot read named; step by step."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import pytest

from contracts.codec import serialize
from contracts.errors import BadRecord, DriftlineError
from contracts.examples import serialize_examples
from contracts.topics import BINS, EXAMPLES, VOCAB_DELTAS
from tests.support.installation import INSTALLED
from tests.support.trainer_world import PLACES, START_MS, WINDOWS, World
from trainer import reader
from trainer.reader import LogReader
from trainer.reading_thread import ReadingThread
from transport.ports.kafka_admin import TopicFound
from transport.ports.kafka_records import LogRecord, OffsetOutOfRange, TopicPartition

ROWS = PLACES  # of a record of examples: one request
WORLD = World()
TOPICS = (EXAMPLES, VOCAB_DELTAS, BINS)


class Log:
    """A Kafka and its one consumer: what `values` holds; of `examples`, from offset `begin` on."""

    address = "Kafka at nowhere"

    def __init__(self, values: Mapping[TopicPartition, Sequence[bytes]], topics=TOPICS, begin: int = 0) -> None:
        self.values, self.topics, self.begin = values, {topic.name: topic for topic in topics}, begin
        self.positions: dict[TopicPartition, int] = {}
        self.closed = self.retention_passed = False
        self.made = 1  # how often the topics were made

    def blocking_consumer(self) -> "Log":
        return self

    @contextlib.contextmanager
    def admin(self) -> Iterator["Log"]:
        yield self

    def describe(self, topics: Sequence[str]) -> dict[str, TopicFound]:
        return {topic: TopicFound(f"{topic}-{self.made}", 4, {}) for topic in topics}

    def partitions(self, topic: str) -> list[int]:
        return list(range(self.topics[topic].partitions(INSTALLED))) if topic in self.topics else []

    def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: self.begin if at.topic == EXAMPLES.name else 0 for at in partitions}

    def ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: max(self.begins([at])[at], len(self.values.get(at, ()))) for at in partitions}

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.positions = dict(offsets)

    def position(self, at: TopicPartition) -> int:
        return self.positions[at]

    def known_end(self, at: TopicPartition) -> int:
        return len(self.values.get(at, ()))

    def read(self, partitions: Sequence[TopicPartition], most: int, timeout_s: float):
        if self.retention_passed:
            raise OffsetOutOfRange("offset 7 is gone")
        found = {}
        for at in partitions:
            begin = self.positions[at]
            values = self.values.get(at, ())[begin : begin + most]
            self.positions[at] += len(values)
            most -= len(values)
            if values:
                found[at] = [LogRecord(*at, begin + i, 0, None, value) for i, value in enumerate(values)]
        return found

    def close(self) -> None:
        self.closed = True


def examples(after_ms: int) -> bytes:
    return serialize_examples(WORLD.examples(1, START_MS + after_ms)[0])


def in_examples(partition: int) -> TopicPartition:
    return TopicPartition(EXAMPLES.name, partition)


def taken(reading: LogReader) -> list[tuple[int, int]]:
    """(partition, offset) of all that can be taken now."""
    found = []
    while (read := reading.take()) is not None:
        found.append((read[0].partition, read[0].offset))
    return found


def test_records_come_in_order_of_event_time_over_partitions_whatever_a_poll_brought():
    log = Log({in_examples(0): [examples(at) for at in (1_000, 5_000)], in_examples(2): [examples(3_000)]})
    reading = LogReader(log, {}, resumes=False)
    assert reading.take() is None  # before the first step nothing is known
    assert reading.step()
    assert taken(reading) == [(0, 0), (2, 0), (0, 1)]


def test_reading_begins_at_the_offsets_given_and_elsewhere_at_the_beginning():
    log = Log({in_examples(1): [examples(at) for at in (1_000, 2_000, 3_000)]}, begin=1)
    reading = LogReader(log, {EXAMPLES: {1: 2}}, resumes=False)
    assert log.positions[in_examples(1)] == 2
    assert (log.positions[in_examples(0)], log.positions[TopicPartition(BINS.name, 0)]) == (1, 0)
    reading.step()
    assert taken(reading) == [(1, 2)]


def test_a_partition_with_enough_waiting_is_left_until_half_of_it_is_taken(monkeypatch):
    monkeypatch.setattr(reader, "MOST_ROWS", 10 * ROWS)
    monkeypatch.setattr(reader, "POLL_RECORDS", 4)
    values = [examples(1_000 * i) for i in range(40)]
    log = Log({in_examples(number): values for number in range(4)})
    reading = LogReader(log, {}, resumes=False)

    def read_ahead() -> list[int]:
        """How far each partition is read; `bins` and `vocab-deltas` are empty, and always read."""
        for _ in range(20):
            reading.step()
        return [log.positions[in_examples(number)] for number in range(4)]

    def take_of_each(count: int) -> None:
        for _ in range(4 * count):
            assert reading.take() is not None

    assert read_ahead() == [12] * 4  # past ten by less than one poll
    take_of_each(6)
    assert read_ahead() == [12] * 4  # six wait: more than half of ten
    take_of_each(2)
    assert read_ahead() == [20] * 4  # from four on, until there are ten again


def test_a_step_says_when_there_is_nothing_to_read_on(monkeypatch):
    monkeypatch.setattr(reader, "MOST_ROWS", 0)
    monkeypatch.setattr(reader, "MOST_DELTAS", 0)
    assert not LogReader(Log({}), {}, resumes=False).step()


def test_what_cannot_be_decoded_is_a_dead_letter_at_its_place(caplog):
    reading = LogReader(Log({in_examples(3): [b"no examples", examples(1_000)]}), {}, resumes=False)
    reading.step()
    consumed, letter = reading.take() or (None, None)
    assert consumed is not None
    assert (consumed.partition, consumed.offset, consumed.examples) == (3, 0, None)
    assert letter is not None
    assert "examples partition 3 offset 0 is not learned from: malformed" in caplog.text
    assert taken(reading) == [(3, 1)]


def test_a_delta_that_cannot_be_decoded_ends_the_reading():
    reading = LogReader(Log({TopicPartition(VOCAB_DELTAS.name, 0): [b"no delta"]}), {}, resumes=False)
    with pytest.raises(BadRecord):
        reading.step()


def test_deltas_are_handed_over_with_their_places():
    bins = [serialize(version) for version in WORLD.bins_log(range(WINDOWS[0], WINDOWS[0] + 2))]
    reading = LogReader(Log({TopicPartition(BINS.name, 0): bins}), {}, resumes=False)
    reading.step()
    fed = []

    class Versions:
        def feed_bins(self, delta):
            fed.append(serialize(delta))

        def waiting_bins(self):
            return len(fed)

        def waiting_deltas(self, partition):
            return 0

    reading.feed(Versions())
    assert fed == bins


def test_a_topic_that_is_not_there_is_named_and_the_connection_closed():
    log = Log({}, topics=(EXAMPLES, BINS))
    with pytest.raises(DriftlineError, match="nowhere has no topic vocab-deltas; run `driftline topics apply`"):
        LogReader(log, {}, resumes=False)
    assert log.closed


def test_a_checkpoint_that_retention_has_overtaken_is_refused():
    with pytest.raises(DriftlineError, match=r"from offset 2, but holds 9 to 9: retention has deleted 7 records"):
        LogReader(Log({}, begin=9), {EXAMPLES: dict.fromkeys(range(4), 9) | {1: 2}}, resumes=True)


def test_a_checkpoint_past_the_end_of_a_log_is_refused():
    log = Log({in_examples(1): [examples(1_000)]})
    with pytest.raises(
        DriftlineError, match=r"examples partition 1 .*offset 5, but holds 0 to 1: .*the broker has lost records"
    ):
        LogReader(log, {EXAMPLES: {1: 5}}, resumes=True)
    assert log.closed


def test_a_topic_that_was_made_anew_is_told_from_retention_that_was_too_slow():
    log = Log({in_examples(1): [examples(1_000)] * 3})
    reading = LogReader(log, {EXAMPLES: {1: 2}}, resumes=True)
    LogReader(log, {EXAMPLES: {1: 2}}, reading.topic_ids, resumes=True)
    log.retention_passed = True
    with pytest.raises(DriftlineError, match="retention has deleted examples that were not learned yet"):
        reading.step()
    log.made = 2
    with pytest.raises(DriftlineError, match="the topic examples was deleted and made anew"):
        reading.step()
    with pytest.raises(DriftlineError, match="the topic examples was deleted and made anew"):
        LogReader(log, {EXAMPLES: {1: 2}}, reading.topic_ids, resumes=True)
    assert log.closed


def test_a_partition_that_the_checkpoint_does_not_know_is_read_whole_or_refused():
    known = {EXAMPLES: {1: 2}}
    log = Log({in_examples(1): [examples(1_000)] * 2})
    LogReader(log, known, resumes=True)
    assert log.positions[in_examples(0)] == 0
    with pytest.raises(DriftlineError, match=r"partition 0 .*offset 0, but holds 1 to 1: retention has deleted"):
        LogReader(Log({in_examples(1): [examples(1_000)] * 2}, begin=1), known, resumes=True)


def test_a_new_model_says_that_it_begins_in_the_middle_of_a_log(caplog):
    LogReader(Log({}, begin=9), {}, resumes=False)
    assert caplog.text.count("begins at offset 9: retention has deleted what came before") == 4


def test_what_ends_the_thread_is_raised_to_the_learner_and_closes_the_connection():
    log = Log({})
    log.retention_passed = True
    thread = ReadingThread(LogReader(log, {}, resumes=False))
    thread.close()
    with pytest.raises(DriftlineError, match="retention has deleted examples that were not learned yet"):
        thread.raise_if_ended()
    assert log.closed

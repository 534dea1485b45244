"""The trainer as a process on a real Kafka: killed, resumed, stopped."""

import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from contracts.codec import Codec, serialize
from contracts.errors import ServerUnavailable
from contracts.examples import serialize_examples
from contracts.records import DeadLetter, ModelPublished
from contracts.settings import Settings
from contracts.settings_sources import to_environ
from contracts.topics import BINS, EXAMPLES, MODELS, TRAINER_TERMS, VOCAB_DELTAS, Topic, dead_letters, prefixed
from model.folder import digest
from model.serving import Predictor
from model.snapshot import Snapshot
from tests.support.installation import PARTITIONS
from tests.support.trainer_world import WINDOWS, World, small_settings
from trainer import service
from trainer.term import Term, TermEnded
from transport.installation import install
from transport.kafka.admin import apply, delete
from transport.kafka.clients import consumer, producer
from transport.kafka.cluster import KafkaCluster
from transport.ports.kafka_records import Output

pytestmark = pytest.mark.usefixtures("one_thread")
DEADLINE_S = 90
RECORDS = 60  # of 50 examples, three of them malformed
VERSIONS = 5  # that are published on the way, one every 500 examples
PROGRAM = """
import logging, signal, threading
from contracts.settings_sources import load
from trainer.service import run
logging.basicConfig(level="INFO")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
run(load(), stop)
"""


@pytest.fixture
def small(settings: Settings) -> Settings:
    model = small_settings("", batch_size=64, publish_every_examples=500, keep_snapshots=10)
    result = msgspec.structs.replace(settings, time=model.time, vocab=model.vocab, trainer=model.trainer)
    install(result)
    return result


class _Writer:
    """Writes the logs as the joiner and the owners would: examples and deltas in transactions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.world = World()
        self._producer: KafkaProducer = producer(settings, transactional_id=f"{settings.prefix}test-writer")
        self._producer.init_transactions()

    def close(self) -> None:
        self._producer.close()

    def write_versions(self) -> None:
        deltas = self.world.vocabulary_log(self.settings, range(WINDOWS[0], WINDOWS[0] + 4))
        bins = self.world.bins_log(range(WINDOWS[0], WINDOWS[0] + 4))
        self._send(VOCAB_DELTAS, [(delta.shard % PARTITIONS, serialize(delta)) for delta in deltas])
        self._send(BINS, [(0, serialize(version)) for version in bins])

    def write_examples(self, begin: int, end: int) -> None:
        for number in range(begin, end):
            at_ms = (WINDOWS[0] + 1) * 60_000 + number * 3_000
            value = serialize_examples(self.world.examples(5, at_ms)[0]) if number % 20 != 13 else b"no examples"
            self._send(EXAMPLES, [(number % PARTITIONS, value)])

    def _send(self, topic: Topic, records: list[tuple[int, bytes]]) -> None:
        name = prefixed(topic, self.settings.prefix).name
        self._producer.begin_transaction()
        for partition, value in records:
            self._producer.send(name, value, partition=partition)
        self._producer.commit_transaction()


@pytest.fixture
def writer(small: Settings) -> Iterator[_Writer]:
    writer = _Writer(small)
    yield writer
    writer.close()


class _Follower:
    """Reads one topic from its beginning, as far as it goes."""

    def __init__(self, settings: Settings, topic: Topic, record_type: type) -> None:
        self._consumer = consumer(settings, [topic])
        self._decode = Codec(record_type).deserialize
        self.records: list = []

    def read(self) -> list:
        for records in self._consumer.poll(timeout_ms=100).values():
            self.records += [self._decode(record.value) for record in records]
        return self.records

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def models(small: Settings) -> Iterator[_Follower]:
    follower = _Follower(small, MODELS, ModelPublished)
    yield follower
    follower.close()


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        assert process is None or process.poll() is None, "the trainer ended"
        time.sleep(0.02)


def _start(settings: Settings) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env={**os.environ, **to_environ(settings)})


def test_a_killed_trainer_ends_with_the_weights_of_one_that_was_not(
    small: Settings, writer: _Writer, models: _Follower, tmp_path: Path
) -> None:
    writer.write_versions()
    writer.write_examples(0, RECORDS // 2)

    def published(name: str, version: int) -> bool:
        return any(record.name == name and record.version >= version for record in models.read())

    process = _start(small)
    try:
        _until(lambda: published(small.trainer.name, 2), process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    writer.write_examples(RECORDS // 2, RECORDS)
    process = _start(small)
    try:
        _until(lambda: published(small.trainer.name, VERSIONS), process)
    finally:
        process.terminate()
    assert process.wait(DEADLINE_S) == 0
    whole = msgspec.structs.replace(
        small, data_dir=str(tmp_path / "whole"), trainer=msgspec.structs.replace(small.trainer, name="whole")
    )
    _run_until(whole, lambda: published("whole", VERSIONS))

    announced = [record for record in models.read() if record.name == small.trainer.name]
    by_version = {record.version: record for record in announced}
    assert len({serialize(record) for record in announced}) == len(by_version), "announced twice, and differently"
    assert {record.epoch for record in announced} == {1, 2}
    for twin in models.records:
        if twin.name == "whole" and twin.version <= VERSIONS:
            record = by_version[twin.version]
            assert (record.examples_seen, record.offsets) == (twin.examples_seen, twin.offsets)
            assert digest(_weights(record)) == digest(_weights(twin))


def test_a_trainer_that_lost_its_disk_is_served_again(
    small: Settings, writer: _Writer, models: _Follower, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "trainer")
    writer.write_versions()
    writer.write_examples(0, RECORDS)
    _run_until(small, lambda: any(record.version >= 3 for record in models.read()))
    elsewhere = msgspec.structs.replace(small, data_dir=str(tmp_path / "new disk"))
    _run_until(elsewhere, lambda: any(record.epoch == 2 and record.version >= 2 for record in models.read()))
    assert "epoch 2 of timeline begins anew: version" in caplog.text
    # The log of terms may be lost too: the announcements tell as much.
    delete(small, [TRAINER_TERMS])
    apply(small, [TRAINER_TERMS])
    third = msgspec.structs.replace(small, data_dir=str(tmp_path / "third disk"))
    _run_until(third, lambda: any(record.epoch == 3 for record in models.read()))
    places = [(record.epoch, record.version) for record in models.records]
    assert places == sorted(places)


def test_the_later_of_two_trainers_on_two_disks_ends_the_other(
    small: Settings, writer: _Writer, models: _Follower, tmp_path: Path
) -> None:
    writer.write_versions()
    first = Term.begin(KafkaCluster(small), small.trainer.name)
    second = Term.begin(KafkaCluster(small), small.trainer.name)
    other = Term.begin(KafkaCluster(small), "another model")
    assert (first.epoch, second.epoch, other.epoch) == (1, 2, 1)
    letter = Output(dead_letters(EXAMPLES).name, b"from the first", partition=0)
    with pytest.raises(TermEnded, match=r"another trainer of timeline has begun: process .* epoch 2"):
        first.deliver([letter])
    second.deliver([letter])

    writer.write_examples(0, RECORDS)
    failures: list[BaseException] = []
    stop = threading.Event()

    def train() -> None:
        try:
            service.run(small, stop)
        except TermEnded as ended:
            failures.append(ended)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        _until(lambda: any(record.epoch == 3 for record in models.read()))
        Term.begin(KafkaCluster(small), small.trainer.name)
        writer.write_examples(RECORDS, 2 * RECORDS)
        _until(lambda: not thread.is_alive())
    finally:
        stop.set()
        thread.join(DEADLINE_S)
    assert "epoch 4" in str(failures[0])


def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_is_learned(
    small: Settings, writer: _Writer, models: _Follower
) -> None:
    letters = _Follower(small, dead_letters(EXAMPLES), DeadLetter)
    writer.write_versions()
    writer.write_examples(0, 30)
    _run_until(small, lambda: len(models.read()) >= 1 and len(letters.read()) >= 1)
    letters.close()
    (letter,) = letters.records[:1]
    assert (letter.reason, letter.topic, letter.partition) == ("malformed", "examples", 13 % PARTITIONS)
    assert letter.value == b"no examples"
    predictor = Predictor.load(_newest(models).path)
    probabilities = predictor.score(writer.world.examples(3)[0].features)
    assert ((probabilities > 0) & (probabilities < 1)).all()


def test_the_version_is_waited_for_and_said(
    small: Settings, writer: _Writer, models: _Follower, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "trainer")
    writer.write_examples(40, 52)

    def said_then_published() -> bool:
        if "waiting for version" in caplog.text and not written:
            written.append(writer.write_versions())
        return bool(models.read())

    written: list[None] = []
    _run_until(small, said_then_published)
    assert written
    assert models.records[0].vocab_version >= WINDOWS[0]
    assert "vocabulary has reached 0, bins 0" in caplog.text


def test_a_stop_publishes_what_was_learned(small: Settings, writer: _Writer, models: _Follower) -> None:
    writer.write_versions()
    writer.write_examples(0, 8)
    stop, learned = threading.Event(), threading.Event()
    learn = service.Trainer.learn

    def learn_and_tell(self: service.Trainer) -> bool:
        if result := learn(self):
            learned.set()
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.Trainer, "learn", learn_and_tell)
        thread = _in_thread(small, stop)
        assert learned.wait(DEADLINE_S)
        stop.set()
        thread.join(DEADLINE_S)
    _until(lambda: bool(models.read()))
    assert 0 < models.records[0].examples_seen < small.trainer.publish_every_examples


def test_what_was_learned_is_published_when_no_more_comes(
    small: Settings,
    writer: _Writer,
    models: _Follower,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "IDLE_S", 0.5)
    caplog.set_level("INFO")
    stop = threading.Event()
    thread = _in_thread(msgspec.structs.replace(small, partitions=0), stop)  # as a user has them
    _until(lambda: "waiting for examples" in caplog.text)
    writer.write_versions()
    writer.write_examples(0, 8)
    _until(lambda: bool(models.read()))
    assert 0 < models.records[0].examples_seen < small.trainer.publish_every_examples
    stop.set()
    thread.join(DEADLINE_S)
    assert len(models.read() or models.records) == 1  # nothing was learned since


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # kafka-python leaves a socket open
def test_no_broker_is_said_with_its_address_and_does_not_hold_up_a_stop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # kafka-python's log records would hold its sockets until the end of the run.
    for name in ("kafka.net.manager", "kafka.net.connection"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)
    stop = threading.Event()
    settings = msgspec.structs.replace(small_settings(str(tmp_path)), kafka="localhost:1")
    failures: list[BaseException] = []

    def target() -> None:
        try:
            service.run(settings, stop)
        except ServerUnavailable as error:
            failures.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    try:
        _until(lambda: "localhost:1" in caplog.text and "DRIFTLINE_KAFKA" in caplog.text)
    finally:
        stop.set()
        thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert len(failures) == 1
    failures.clear()
    caplog.clear()
    gc.collect()  # the open sockets hang on the errors' frames; let them be seen here, where they are expected


def _in_thread(settings: Settings, stop: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=service.run, args=(settings, stop))
    thread.start()
    return thread


def _run_until(settings: Settings, condition: Callable[[], bool]) -> None:
    stop = threading.Event()
    thread = _in_thread(settings, stop)
    try:
        _until(lambda: condition() or not thread.is_alive())
        assert thread.is_alive(), "the trainer ended"
    finally:
        stop.set()
        thread.join(DEADLINE_S)


def _newest(models: _Follower) -> ModelPublished:
    _until(lambda: bool(models.read()))
    return max(models.read(), key=lambda record: record.version)


def _weights(record: ModelPublished) -> dict:
    return Snapshot.load(Path(record.path)).weights

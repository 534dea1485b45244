"""The trainer as a process: reads, learns, publishes, until it is told to stop.

It first begins a term (`trainer/term.py`), so that no other trainer of its name publishes after that.

Order at a publication: dead letters delivered, snapshot, checkpoint, then the announcement on `models`. A trainer
killed anywhere in between resumes from its newest checkpoint; it announces that one again, so none is ever missing.
Dead letters of records after the checkpoint may be written twice.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import torch

from contracts.codec import serialize
from contracts.errors import ServerUnavailable
from contracts.records import ModelPublished
from contracts.settings import Settings
from contracts.topics import EXAMPLES, MODELS, VOCAB_DELTAS
from trainer import checkpoint
from trainer.checkpoint import Folders
from trainer.reader import LogReader
from trainer.reading_thread import ReadingThread
from trainer.stage_log import StageLog
from trainer.term import Term
from trainer.trainer import Trainer
from transport.backoff import pauses
from transport.identity import of_folder, remember
from transport.installation import installed
from transport.kafka.cluster import KafkaCluster
from transport.ports.clock import Clock
from transport.ports.files import Files
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import KafkaFailed, Output
from transport.system.clock import SYSTEM_CLOCK
from transport.system.disk import DISK

_log = logging.getLogger(__name__)

WAIT_S = 0.2  # how long to wait for the log before looking at `stop` again
IDLE_S = 60.0  # without a new example, what was learned is published, though it is little
MOST_DEAD_LETTERS = 100  # that wait for delivery, with the bytes of their records in them
THREADS = 1  # of torch: the bits of the weights depend on it

ResultT = TypeVar("ResultT")


def run(settings: Settings, stop: threading.Event, clock: Clock = SYSTEM_CLOCK, files: Files = DISK) -> None:
    """Train until `stop` is set; then publish what was learned since the last time, and return.

    Waits for a broker that does not answer, saying so. Raises `SettingsError` and `SnapshotInvalid` (the checkpoint),
    `ChainBroken` (a delta log), `TermEnded` (another trainer of the same name has begun), `DriftlineError` (another
    trainer in the same folder, no topics, examples lost to retention), and `ServerUnavailable` or `KafkaFailed` if it
    cannot announce when it is told to stop.
    """
    torch.set_num_threads(THREADS)
    with checkpoint.locked(Folders.of(settings, files)):
        TrainerService(settings, KafkaCluster, stop, clock, files).run()


class TrainerService:
    """`run` of a trainer that has its folders to itself. Raises as the function `run` does.

    kafka_of: settings -> their Kafka.
    """

    def __init__(
        self,
        settings: Settings,
        kafka_of: Callable[[Settings], Kafka],
        stop: threading.Event,
        clock: Clock,
        files: Files,
    ) -> None:
        self._kafka_of = kafka_of
        self._stop = stop
        self._clock = clock
        self._settings = settings
        self._files = files
        self._undelivered: list[Output] = []
        self._stage = StageLog(clock.monotonic_us)
        self._read_us = clock.monotonic_us()  # when the newest record was read

    def run(self) -> None:
        """Until `stop` is set; then publish what was learned since the last time."""
        asked = of_folder(self._settings)
        self._settings = self._patiently(lambda: asyncio.run(installed(asked, self._kafka_of(asked))))
        self._kafka = self._kafka_of(self._settings)
        remember(self._settings)
        self._term = self._patiently(lambda: Term.begin(self._kafka, self._settings.trainer.name))
        self._trainer = trainer = Trainer(self._settings, self._term.epoch, self._files)
        self._say_where_it_begins()
        offsets = {EXAMPLES: trainer.offsets, VOCAB_DELTAS: trainer.delta_offsets}
        if trainer.announced:
            self._announce(trainer.announced)
        self._reader = self._patiently(
            lambda: LogReader(self._kafka, offsets, trainer.topic_ids, resumes=trainer.announced is not None)
        )
        trainer.topic_ids = self._reader.topic_ids
        self._reading = ReadingThread(self._reader)
        try:
            while not self._stop.is_set():
                self._advance()
            if trainer.learner.progress.examples:
                self._publish()
        finally:
            self._reading.close()

    def _say_where_it_begins(self) -> None:
        trainer, former = self._trainer, self._term.announced
        if trainer.announced:
            _log.info(
                "epoch %d of %s goes on from version %d, after %d examples",
                self._term.epoch,
                self._settings.trainer.name,
                trainer.announced.version,
                trainer.announced.examples_seen,
            )
        elif former:
            _log.warning(
                "epoch %d of %s begins anew: version %d of epoch %d was announced after %d examples, but there is no "
                "checkpoint in %s. What `examples` no longer holds is not learned again",
                self._term.epoch,
                former.name,
                former.version,
                former.epoch,
                former.examples_seen,
                trainer.folders.checkpoints,
            )

    def _advance(self) -> None:
        """One record, or one group, or a short wait."""
        self._reading.raise_if_ended()
        trainer, reader = self._trainer, self._reader
        if trainer.full:
            reader.feed(trainer.versions)
            if not trainer.learn():
                self._say_waiting()
                reader.wait(WAIT_S)
            elif trainer.due:
                self._publish()
            else:
                self._say_learned()
            return
        read = reader.take()
        if read is None:
            self._idle()
            return
        self._read_us = self._clock.monotonic_us()
        record, letter = read
        if letter:
            self._undelivered.append(letter)
            if len(self._undelivered) >= MOST_DEAD_LETTERS:
                self._deliver()
        trainer.observe(record)

    def _idle(self) -> None:
        """Wait for the next record. When none comes for long, publish what was learned."""
        progress = self._trainer.learner.progress
        if progress.examples and self._clock.monotonic_us() - self._read_us >= IDLE_S * 1_000_000:
            self._publish()
        elif self._trainer.learner.examples_seen:
            self._say_learned()
        else:
            settings = self._settings
            self._stage.say(
                "waiting for examples",
                f": there are none, or fewer than a batch of {settings.trainer.batch_size}. They are written "
                f"{settings.join.label_window_ms // 1000} s of event time (join.label_window_ms) after a timeline is "
                "served",
            )
        self._reader.wait(WAIT_S)

    def _publish(self) -> None:
        self._deliver()
        self._announce(self._trainer.publish(self._clock.now_ms()))

    def _announce(self, published: ModelPublished) -> None:
        self._undelivered.append(Output(MODELS.name, serialize(published), published.name.encode()))
        self._deliver()
        figures = published.evaluation
        _log.info(
            "published %s version %d (vocabulary %d, bins %d) after %d examples%s",
            published.name,
            published.version,
            published.vocab_version,
            published.bins_version,
            published.examples_seen,
            f": log-loss {figures.log_loss:.4f}, RCE {figures.rce:.1f}%" if figures else "",
        )

    def _deliver(self) -> None:
        """Send what waits, and wait until the broker has it."""
        self._patiently(lambda: self._term.deliver(self._undelivered))
        self._undelivered.clear()

    def _patiently(self, attempt: Callable[[], ResultT]) -> ResultT:
        """What `attempt` returns, once the broker answers. Raises its error when told to stop."""
        for pause in pauses():
            try:
                return attempt()
            except (ServerUnavailable, KafkaFailed) as error:
                _log.warning("%s; trying again in %.1f s", str(error), pause)
                if self._stop.wait(pause):
                    raise
        raise AssertionError("pauses() never ends")

    def _say_waiting(self) -> None:
        vocabulary, bins = self._trainer.versions.complete_through
        self._stage.say(
            f"waiting for version {self._trainer.target}", f": vocabulary has reached {vocabulary}, bins {bins}"
        )

    def _say_learned(self) -> None:
        trainer, settings = self._trainer, self._settings.trainer
        version = trainer.announced.version + 1 if trainer.announced else 1
        self._stage.say(
            "learned",
            f" {trainer.learner.examples_seen:,} examples, {trainer.learner.progress.examples:,} of them for "
            f"version {version}: it is published at {settings.publish_every_examples:,} examples "
            f"(trainer.publish_every_examples), after {settings.publish_every_ms // 1000:,} s of event time "
            f"(trainer.publish_every_ms), or when none come for {IDLE_S:.0f} s",
        )

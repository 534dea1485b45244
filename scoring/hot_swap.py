"""Hot swap: follows the topic `models` and holds the newest snapshot that loads, ready to score.

The newest snapshot has the highest (epoch, version): a later term of the trainer wins, whatever its versions. A
thread reads, checks and warms a snapshot. Only then does it replace the previous one, in one assignment. Callers take
`current` once per batch, so that no answer mixes two models. A snapshot that does not load changes nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np

from contracts.bags import Bags, Keys
from contracts.codec import Codec
from contracts.columns import FeatureColumns
from contracts.errors import BadRecord, ServerUnavailable, SnapshotInvalid
from contracts.records import ModelPublished
from contracts.settings import Settings
from contracts.topics import MODELS
from featurestore.features import CANDIDATE_DENSE, CANDIDATE_SIDE, VIEWER_DENSE, VIEWER_SIDE
from model.serving import Predictor
from transport.backoff import pauses
from transport.metrics import MODEL_SWAPS, MODELS_REFUSED
from transport.ports.clock import Clock
from transport.ports.executor import StartThreads
from transport.ports.files import Files
from transport.ports.kafka import Kafka
from transport.ports.kafka_records import ConsumerLost, KafkaFailed, TopicPartition
from transport.system.clock import SYSTEM_CLOCK
from transport.system.disk import DISK

log = logging.getLogger(__name__)

RETRY_S = 30.0  # a snapshot that did not load is tried again: its file system may have been away
REMEMBERED = 5  # announcements kept to fall back on: the trainer deletes older snapshots

_deserialize = Codec(ModelPublished).deserialize


class ModelFollower:
    """The newest model of a name. `run` it as a task; read `current` at any time, on the same event loop."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[ModelPublished], Predictor] | None = None,
        clock: Clock = SYSTEM_CLOCK,
        start_threads: StartThreads = ThreadPoolExecutor,
    ) -> None:
        self.current: Predictor | None = None
        self._settings = settings
        self._load = load or load_warm
        self._clock = clock
        self._start_threads = start_threads
        self._announced: dict[tuple[int, int], ModelPublished] = {}
        self._caught_up = asyncio.Event()

    async def caught_up(self) -> None:
        """Wait until the announcements made before `run` are read, and the newest snapshot that loads is in use."""
        await self._caught_up.wait()

    async def run(self, kafka: Kafka) -> NoReturn:
        """Run until cancelled. Waits for a broker that is away; the current model stays in use meanwhile."""
        for pause in pauses():
            try:
                await self._follow(kafka)
            except (KafkaFailed, ConsumerLost, ServerUnavailable) as error:
                log.warning("models: %s; trying again in %.1f s", error, pause)
            await self._clock.sleep(pause)
        raise AssertionError("pauses() never ends")

    async def _follow(self, kafka: Kafka) -> None:
        models = TopicPartition(MODELS.name, 0)
        async with kafka.consumer() as consumer:
            if MODELS.name not in await consumer.topics():
                raise ServerUnavailable(
                    f"{kafka.address} has no topic {MODELS.name}: make it with `driftline topics apply`"
                )
            end = (await consumer.ends([models]))[models]
            consumer.assign(await consumer.begins([models]))
            while True:
                reached = await consumer.position(models) >= end
                if reached:
                    await self.take_newest()
                    self._caught_up.set()
                found = await consumer.read([models], None, RETRY_S if reached else 1.0)
                for record in found.get(models, []):
                    self.observe(record.value or b"")

    def observe(self, value: bytes) -> None:
        """Remember an announcement. Ignores one that this code cannot read or that is of another model."""
        try:
            published = _deserialize(value)
        except BadRecord as error:
            log.warning("models: an announcement was passed over: %s", error)
            return
        if published.name == self._settings.scorer.model:
            self._announced[published.epoch, published.version] = published
            for old in sorted(self._announced)[:-REMEMBERED]:
                del self._announced[old]

    async def take_newest(self) -> None:
        """Swap in the newest announced snapshot that loads, if it is newer than the current one."""
        for place in sorted(self._announced, reverse=True):
            if self.current is not None and place <= _place(self.current):
                return
            published = self._announced[place]
            try:
                predictor = await self._load_in_thread(published)
            except SnapshotInvalid as error:
                MODELS_REFUSED.inc()
                log.error("models: %s %d of epoch %d is not used: %s", published.name, place[1], place[0], error)
                continue
            except Exception:  # whatever an announcement names, it must not end a scorer
                MODELS_REFUSED.inc()
                log.exception("models: %s %d of epoch %d is not used", published.name, place[1], place[0])
                continue
            self._swap(predictor)
            return

    async def _load_in_thread(self, published: ModelPublished) -> Predictor:
        loader = self._start_threads(1, "model-loader")
        try:
            return await asyncio.wrap_future(loader.submit(self._load, published))
        finally:
            loader.shutdown()  # if cancelled: waits for the load, as the end of the process would

    def _swap(self, predictor: Predictor) -> None:
        former, self.current = self.current, predictor
        MODEL_SWAPS.inc()
        log.info(
            "models: %s %d of epoch %d ranks from now on (vocabulary %d, bins %d), instead of %s",
            predictor.manifest.name,
            predictor.manifest.version,
            predictor.manifest.epoch,
            predictor.manifest.vocab_version,
            predictor.manifest.bins_version,
            "the fallback order" if former is None else former.manifest.version,
        )


def load_warm(published: ModelPublished, files: Files = DISK, clock: Clock = SYSTEM_CLOCK) -> Predictor:
    """The predictor of an announced snapshot, with its kernels compiled. Slow. Raises `SnapshotInvalid`."""
    began_us = clock.monotonic_us()
    predictor = Predictor.load(Path(published.path), files=files)
    found, wanted = predictor.manifest, published
    if (found.name, found.epoch, found.version) != (wanted.name, wanted.epoch, wanted.version):
        raise SnapshotInvalid(
            f"{published.path}: announced as {wanted.name} {wanted.version} of epoch {wanted.epoch}, but it is "
            f"{found.name} {found.version} of epoch {found.epoch}"
        )
    predictor.vocabulary.is_admitted(np.zeros(1, np.uint64))
    predictor.score(_one_candidate())
    log.info("models: %s loaded in %.2f s", published.path, (clock.monotonic_us() - began_us) / 1_000_000)
    return predictor


def _place(predictor: Predictor) -> tuple[int, int]:
    return predictor.manifest.epoch, predictor.manifest.version


def _one_candidate() -> FeatureColumns:
    """The smallest input that makes every kernel run."""
    return FeatureColumns(
        viewer_row=np.zeros(1, np.int32),
        viewer_dense=np.zeros((1, len(VIEWER_DENSE)), np.float32),
        viewer_keys={field: _one_key() for field in VIEWER_SIDE.fields},
        candidate_dense=np.zeros((1, len(CANDIDATE_DENSE)), np.float32),
        candidate_keys={field: _one_key() for field in CANDIDATE_SIDE.fields},
        viewer_vectors=VIEWER_SIDE.zero_vectors(1),
        candidate_vectors=CANDIDATE_SIDE.zero_vectors(1),
    )


def _one_key() -> Keys:
    return Bags.of_matrix(np.zeros((1, 1), np.uint64))

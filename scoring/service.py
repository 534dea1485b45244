"""The scorer: reads timeline requests, and writes ranked timelines and what was served, in one transaction.

Every instance of the group takes some partitions of `timeline-requests`. After a failure (Redis away, a broker away,
a kill) the unanswered requests remain in the log. The hop returns to them and answers each once.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from contracts.codec import serialize
from contracts.partitioning import partition_of, record_key
from contracts.records import TimelineRequest
from contracts.settings import Settings
from contracts.text_ids import EventCodec
from contracts.topics import CANDIDATES_SERVED, TIMELINE_REQUESTS, TIMELINES_RANKED
from eventtime.ticks import TICK_KEY, read_tick
from featurestore.store.reader import FeatureReader
from scoring import candidates
from scoring.hot_swap import ModelFollower
from scoring.ranker import Model, rank
from scoring.refuse import refuse
from transport.dead_letters import as_bad_record
from transport.duplicates import RecentIdentities
from transport.hop.hop import ExactlyOnceHop, Output, Position, Processor
from transport.identity import claim
from transport.installation import installed_once_there
from transport.kafka.cluster import KafkaCluster
from transport.metrics import DUPLICATES
from transport.ports.clock import Clock
from transport.ports.kafka_records import LogRecord
from transport.redis.connection import connect
from transport.system.clock import SYSTEM_CLOCK
from transport.waiting import once_available

log = logging.getLogger(__name__)

NAME = "scorer"  # the hop's, and so of its group and transactional ids
MAX_REQUESTS = 128  # of one transaction: at 1,500 places each, their answers still fit the memory of a small machine

_deserialize = EventCodec(TimelineRequest).deserialize


class ScoringProcessor(Processor):
    """One partition of `timeline-requests`. Its only state is the ids of recent requests."""

    def __init__(
        self,
        settings: Settings,
        reader: FeatureReader,
        model: Callable[[], Model | None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._settings = settings.scorer
        self._partitions = TIMELINES_RANKED.partitions(settings)
        self._reader = reader
        self._model = model
        self._clock_us = clock.monotonic_us
        self._repeats = RecentIdentities(settings.features.duplicate_horizon)

    async def resume(self, committed: Mapping[str, Position]) -> Mapping[str, int]:
        """Ask to re-read the last requests, so that their repeats are recognized."""
        position = committed[TIMELINE_REQUESTS.name]
        begin = max(self._repeats.rebuild_from(position.offset), position.readable_from)
        return {TIMELINE_REQUESTS.name: begin}

    async def replay(self, records: Sequence[LogRecord]) -> None:
        """Learn which requests were already read."""
        self._new_requests(records)

    async def process(self, records: Sequence[LogRecord]) -> Sequence[Output]:
        """The answers to the batch's requests. Raises `ServerUnavailable` if features cannot be read."""
        requests, letters, ticks = self._new_requests(records)
        outputs = letters
        for place, answer in enumerate(await self._answers(requests) if requests else []):
            outputs += ticks.get(place, [])
            outputs += answer
        return outputs + ticks.get(len(requests), [])

    async def _answers(self, requests: Sequence[TimelineRequest]) -> list[list[Output]]:
        """The two records of each request, in order."""
        answers = []
        recent = np.empty(0, np.uint64)
        if any(request.candidates is None for request in requests):
            recent, _ = await self._reader.recent_tweets(self._settings.recent_candidates)
        chosen = candidates.choose(requests, recent)
        for run in candidates.batches(chosen, self._settings.max_batch_candidates):
            began = self._clock_us()
            read = await self._reader.read(requests[run], chosen[run])
            # The model is taken once per run of requests, so it never changes within an answer.
            for timeline, served in rank(
                requests[run], read, self._model(), self._clock_us() - began, self._clock_us
            ):
                key = record_key(served.viewer_id)
                partition = partition_of(key, self._partitions)
                answers.append(
                    [
                        Output(TIMELINES_RANKED.name, serialize(timeline), key, partition),
                        Output(CANDIDATES_SERVED.name, serialize(served), key, partition),
                    ]
                )
        return answers

    def _new_requests(
        self, records: Sequence[LogRecord]
    ) -> tuple[list[TimelineRequest], list[Output], dict[int, list[Output]]]:
        """(requests not seen lately, answers and dead letters of malformed ones, ticks to pass on).

        Served records reach the same event time as the requests. So the requests' ticks are passed on downstream, at
        their places among the answers. ticks[i] are those between request i - 1 and request i: the newest of each
        epoch, because a reader may go by any one epoch.
        """
        requests: list[TimelineRequest] = []
        letters: list[Output] = []
        ticks: dict[int, dict[int, Output]] = {}
        for record in records:
            try:
                if record.key == TICK_KEY:
                    tick = read_tick(record.value)
                    output = Output(CANDIDATES_SERVED.name, serialize(tick), TICK_KEY, record.partition)
                    ticks.setdefault(len(requests), {})[tick.epoch] = output
                    continue
                request = _deserialize(record.value or b"")
            except Exception as error:  # noqa: BLE001 - no record may stop a scorer
                letters += refuse(record, as_bad_record(error))
                continue
            if self._repeats.repeats([(request.viewer_id, request.request_id)], [record.offset])[0]:
                DUPLICATES.labels(topic=TIMELINE_REQUESTS.name).inc()
            else:
                requests.append(request)
        return requests, letters, {place: list(newest.values()) for place, newest in ticks.items()}


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Answer timeline requests until `stop` is set; then the batches in progress are committed.

    Begins once the newest model has been loaded, or once it is known that there is none.
    """
    settings = await installed_once_there(settings, KafkaCluster(settings))
    redis = connect(settings)
    await once_available(lambda: claim(redis, settings))
    kafka = KafkaCluster(settings)
    reader = FeatureReader(redis, settings)
    follower = ModelFollower(settings)
    hop = ExactlyOnceHop(
        kafka,
        NAME,
        [TIMELINE_REQUESTS],
        lambda partition: ScoringProcessor(settings, reader, lambda: follower.current),
        partitions=TIMELINE_REQUESTS.partitions(settings),
        max_records=MAX_REQUESTS,
        linger_ms=settings.scorer.linger_ms,
    )
    stopping = asyncio.create_task(stop.wait())
    following = asyncio.create_task(follower.run(kafka))
    answering = asyncio.create_task(_answer(hop, follower))
    try:
        await asyncio.wait({stopping, following, answering}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            log.info("stopping: the batches in progress are finished first")
            await hop.stop()
    finally:
        for task in (stopping, following, answering):
            task.cancel()
        results = await asyncio.gather(stopping, following, answering, return_exceptions=True)
        await redis.aclose()
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _answer(hop: ExactlyOnceHop, follower: ModelFollower) -> None:
    await follower.caught_up()
    await hop.run()

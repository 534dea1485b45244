"""No model, no vocabulary, an empty store: timelines come by the fallback order, and say so."""

import asyncio
import random
from pathlib import Path

from contracts.codec import Codec, serialize
from contracts.partitioning import record_key
from contracts.records import RankedTimeline, TimelineRequest
from contracts.settings import Settings
from contracts.topics import TIMELINE_REQUESTS, TIMELINES_RANKED
from driftline.inspect.redis_values import look_up
from featurestore.store.redis_layout import Keys
from tests.support.pipeline_runs import END_MS, Child, child, make_tweets, read_all, worker, write_run
from transport.installation import install
from transport.kafka.writer import KafkaWriter
from transport.redis.connection import connect_blocking

UNKNOWN = 999_999_999


async def ask(settings: Settings, *requests: TimelineRequest) -> None:
    async with KafkaWriter(settings) as writer:
        for request in requests:
            await writer.send(TIMELINE_REQUESTS, record_key(request.viewer_id), serialize(request))


def request(name: str, candidates: list[int] | None = None) -> TimelineRequest:
    return TimelineRequest(request_id=name, viewer_id=3, at_ms=END_MS, limit=5, candidates=candidates)


def answers(settings: Settings) -> dict[str, RankedTimeline]:
    deserialize = Codec(RankedTimeline).deserialize
    found = [deserialize(record.value or b"") for record in read_all(settings, TIMELINES_RANKED)]
    assert len({answer.request_id for answer in found}) == len(found)
    return {answer.request_id: answer for answer in found}


def order(answer: RankedTimeline) -> list[int]:
    return [int(tweet.id) for tweet in answer.tweets]


def test_a_cold_start_answers_by_recency_and_says_so(settings, tmp_path):
    install(settings)
    with child(settings, tmp_path / "scorer.log", "driftline", "scorer") as score:
        asyncio.run(ask(settings, request("no worker yet")))
        score.wait_until(lambda: len(answers(settings)) == 1)
        assert answers(settings)["no worker yet"].store_incomplete
        cold_start(settings, tmp_path, score)
        flush(settings)
        asyncio.run(ask(settings, request("wiped", [1_001])))
        score.wait_until(lambda: "wiped" in answers(settings))
        assert answers(settings)["wiped"].store_incomplete
        assert answers(settings)["wiped"].missing == ["1001"]
        score.terminate()


def flush(settings: Settings) -> None:
    """Delete what is in Redis under the prefix."""
    with connect_blocking(settings) as redis:
        redis.delete(*redis.scan_iter(match=f"{settings.prefix}*"))


def whole(settings: Settings) -> bool:
    return None not in look_up(settings, Keys(settings).wholes())


def cold_start(settings: Settings, tmp_path: Path, score: Child) -> None:
    with worker(settings, tmp_path / "worker.log") as work:
        work.wait_until(lambda: whole(settings))
        asyncio.run(ask(settings, request("none named, nothing there"), request("unknown", [UNKNOWN, 1_000])))
        score.wait_until(lambda: len(answers(settings)) == 3)

        asyncio.run(write_run(settings, make_tweets(10, random.Random(1)), []))
        work.drain(settings)
        asyncio.run(ask(settings, request("named", [1_001, UNKNOWN, 1_004, 1_002]), request("none named")))
        score.wait_until(lambda: len(answers(settings)) == 5)
        work.terminate()
    found = answers(settings)
    assert {name for name, answer in found.items() if answer.store_incomplete} == {"no worker yet"}
    assert {answer.ranker for answer in found.values()} == {"fallback-recency"}
    assert {(answer.model, answer.model_version) for answer in found.values()} == {(None, None)}
    assert {place.probability for answer in found.values() for place in answer.tweets} == {None}
    assert (order(found["none named, nothing there"]), found["none named, nothing there"].missing) == ([], [])
    assert (order(found["unknown"]), found["unknown"].missing) == ([], [str(UNKNOWN), "1000"])
    assert (order(found["named"]), found["named"].missing) == ([1_004, 1_002, 1_001], [str(UNKNOWN)])
    assert order(found["none named"]) == [1_009, 1_008, 1_007, 1_006, 1_005]
    assert found["none named"].missing == []

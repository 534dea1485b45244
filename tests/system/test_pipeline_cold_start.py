"""No model, no vocabulary, an empty store: timelines come by the fallback order, and say so."""

import asyncio
import random

from contracts.codec import Codec, serialize
from contracts.partitioning import record_key
from contracts.records import RankedTimeline, TimelineRequest
from contracts.settings import Settings
from contracts.topics import TIMELINE_REQUESTS, TIMELINES_RANKED
from tests.support.pipeline_runs import END_MS, child, make_tweets, read_all, worker, write_run
from transport.installation import install
from transport.kafka.writer import KafkaWriter

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
    with (
        worker(settings, tmp_path / "worker.log") as work,
        child(settings, tmp_path / "scorer.log", "driftline", "scorer") as score,
    ):
        asyncio.run(ask(settings, request("none named, nothing there"), request("unknown", [str(UNKNOWN), "1000"])))
        score.wait_until(lambda: len(answers(settings)) == 2)

        asyncio.run(write_run(settings, make_tweets(10, random.Random(1)), []))
        work.drain(settings)
        asyncio.run(ask(settings, request("named", [1_001, UNKNOWN, 1_004, 1_002]), request("none named")))
        score.wait_until(lambda: len(answers(settings)) == 4)
        work.terminate()
        score.terminate()
    found = answers(settings)
    assert {answer.ranker for answer in found.values()} == {"fallback-recency"}
    assert {(answer.model, answer.model_version) for answer in found.values()} == {(None, None)}
    assert {place.probability for answer in found.values() for place in answer.tweets} == {None}
    assert (order(found["none named, nothing there"]), found["none named, nothing there"].missing) == ([], [])
    assert (order(found["unknown"]), found["unknown"].missing) == ([], [str(UNKNOWN), "1000"])
    assert (order(found["named"]), found["named"].missing) == ([1_004, 1_002, 1_001], [str(UNKNOWN)])
    assert order(found["none named"]) == [1_009, 1_008, 1_007, 1_006, 1_005]
    assert found["none named"].missing == []

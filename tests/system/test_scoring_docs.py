"""The consumer that the README shows is run as it stands there, but for address and topic prefix."""

import asyncio
import subprocess
import sys

from contracts.codec import serialize
from contracts.partitioning import record_key
from contracts.records import Provenance, RankedTimeline, RankedTweet
from contracts.topics import TIMELINES_RANKED
from tests.support.paths import python_blocks
from tests.support.scoring_samples import BEGIN_MS
from transport.kafka import admin as kafka_admin
from transport.kafka.writer import KafkaWriter

TIMELINE = RankedTimeline(
    request_id="r", viewer_id=7, at_ms=BEGIN_MS, ranker="model", model_version=3, provenance=Provenance.REAL,
    tweets=[RankedTweet(id=i, probability=p) for i, p in ((9, 0.5), (8, 0.25), (6, 0.125), (5, 0.1))],
)  # fmt: skip


PRINTED = [
    "viewer 7 (model, model 3)",
    "  1. tweet 9, probability 0.5",
    "  2. tweet 8, probability 0.25",
    "  3. tweet 6, probability 0.125",
]


async def write(settings, *timelines):
    async with KafkaWriter(settings) as writer:
        for timeline in timelines:
            await writer.send(TIMELINES_RANKED, record_key(timeline.viewer_id), serialize(timeline))
        await writer.flush()


def test_the_consumer_of_ten_lines_prints_timelines(settings):
    kafka_admin.apply(settings, [TIMELINES_RANKED])
    asyncio.run(write(settings, TIMELINE))
    [code] = python_blocks("README.md")
    assert len(code.splitlines()) == 10
    for shown, used in (
        ("localhost:9092", settings.kafka),
        ("timelines-ranked", f"{settings.prefix}timelines-ranked"),
    ):
        assert code.count(shown) == 1
        code = code.replace(shown, used)
    with subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        printed = [process.stdout.readline().rstrip("\n") for _ in PRINTED]
        process.kill()
    assert printed == PRINTED

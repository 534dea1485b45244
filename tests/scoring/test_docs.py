"""What the README and `docs/scoring.md` show is run as it stands there, but for address and topic prefix."""

import asyncio
import re
import subprocess
import sys

import msgspec
import pytest

from contracts.codec import serialize
from contracts.partitioning import record_key
from contracts.records import Provenance, RankedTimeline, RankedTweet
from contracts.settings import Settings, VocabSettings
from contracts.topics import TIMELINES_RANKED
from model.serving import Predictor
from scoring.ranker import rank
from tests.golden.compare import assert_same_bits
from tests.support.paths import ROOT
from tests.support.scoring_samples import BEGIN_MS, make_read, make_request, save_snapshot
from transport.kafka import admin as kafka_admin
from transport.kafka.writer import KafkaWriter


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), flags=re.M | re.S)


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


@pytest.mark.services
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


def test_what_was_logged_scores_the_same_bits_again(tmp_path):
    settings = Settings(vocab=VocabSettings.uniform(capacity=128, rare_slots=64), data_dir=str(tmp_path))
    published = save_snapshot(settings, 1)
    ((_, served),) = rank([make_request(1)], make_read([9]), Predictor.load(published.path), 0, lambda: 0)
    names: dict = {}
    [code] = python_blocks("docs/scoring.md")
    exec(code, names)
    assert_same_bits(names["recomputed"](served, published.path), served.probabilities)
    other = save_snapshot(msgspec.structs.replace(settings, data_dir=str(tmp_path / "other")), 2)
    assert not (names["recomputed"](served, other.path) == served.probabilities).any()

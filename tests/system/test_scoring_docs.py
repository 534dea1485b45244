"""The consumers that the pages show are run as they stand, but for address and topic prefix, with a client alone.

Each runs in a virtual environment that has nothing but the client and what it requires: so the timelines are
compressed with what every client can read.
"""

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.codec import serialize
from contracts.partitioning import record_key
from contracts.records import Provenance, RankedTimeline, RankedTweet, RequestRefused
from contracts.topics import TIMELINES_RANKED
from tests.support.paths import python_blocks
from transport.kafka import admin as kafka_admin
from transport.kafka.writer import KafkaWriter

ENVIRONMENTS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "driftline" / "clients"
AT_MS = 1_767_225_600_000
VIEWER = 2**53 + 1  # JavaScript would make it 2**53

TIMELINE = RankedTimeline(
    request_id="r", viewer_id=str(VIEWER), at_ms=AT_MS, ranker="model", model_version=3, provenance=Provenance.REAL,
    tweets=[RankedTweet(id=str(i), probability=p) for i, p in ((9, 0.5), (8, 0.25), (6, 0.125), (5, 0.1))],
)  # fmt: skip
REFUSED = RequestRefused(request_id="bad", error="malformed", detail="no limit", partition=0, offset=0)

IDS = [f"viewer {VIEWER}: ['9', '8', '6', '5']"]
PRINTED = [
    "request bad was refused: no limit",
    f"viewer {VIEWER} (model, model 3)",
    "  1. tweet 9, probability 0.5",
    "  2. tweet 8, probability 0.25",
    "  3. tweet 6, probability 0.125",
]


async def write(settings, *answers):
    async with KafkaWriter(settings) as writer:
        for answer in answers:
            await writer.send(TIMELINES_RANKED, record_key(VIEWER), serialize(answer))
        await writer.flush()


def python_with(package: str) -> Path:
    """The interpreter of an environment that has `package` and its requirements alone; made once on a machine."""
    folder = ENVIRONMENTS / f"{package}-python{sys.version_info.major}.{sys.version_info.minor}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "made"
        if not made.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin" / "pip", "install", "-q", package], check=True)
            made.touch()
    return folder / "bin" / "python"


@pytest.mark.parametrize(
    ("page", "block", "package", "expected"),
    [
        ("README.md", 0, "kafka-python==3.0.12", PRINTED),
        ("docs/scoring.md", 0, "confluent-kafka==2.16.1", IDS),
        ("docs/scoring.md", 1, "aiokafka==0.14.0", IDS),
    ],
)
def test_a_consumer_needs_its_client_alone(settings, page, block, package, expected):
    kafka_admin.apply(settings, [TIMELINES_RANKED])
    asyncio.run(write(settings, REFUSED, TIMELINE))
    code = python_blocks(page)[block]
    for shown, used in (
        ("localhost:9092", settings.kafka),
        ("timelines-ranked", f"{settings.prefix}timelines-ranked"),
        ("my-reader", f"{settings.prefix}my-reader"),
    ):
        assert code.count(shown) == (1 if shown != "my-reader" or "confluent" in code else 0)
        code = code.replace(shown, used)
    # Warnings are shown where the code above is to blame, as Python's default is.
    command = [python_with(package), "-u", "-W", "error::DeprecationWarning:__main__", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/") as process:
        printed = [process.stdout.readline().rstrip("\n") for _ in expected]
        process.kill()
        errors = process.stderr.read()
    assert printed == expected, errors
    assert "DeprecationWarning" not in errors

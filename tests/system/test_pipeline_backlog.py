"""A backlog far larger than what a worker may hold drains in flat memory."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contracts.codec import serialize
from contracts.records import Action, Engagement, Entities, Tweet
from contracts.settings import FeatureSettings, Settings
from tests.support.pipeline_runs import (
    BEGIN_MS,
    END_MS,
    INPUTS,
    SPAN_MS,
    WORDS,
    Child,
    done,
    replaying,
    worker,
    write_engagement,
    write_tweet,
)
from transport.installation import install
from transport.kafka import admin as kafka_admin

GROWTH = 1.25  # memory in the second half, at most, of that at one third; a worker that held it all would grow by 1.4
MIB = 1 << 20


def events(count: int, padding: int, rng: random.Random) -> Iterator[tuple[Tweet, Engagement]]:
    """Pairs over the hour. Authors, viewers, liked tweets and words are few: what a worker is to remember is bounded.

    padding: bytes of each tweet that say nothing and hardly compress.
    """
    for i in range(count):
        at_ms = BEGIN_MS + i * SPAN_MS // count
        text = " ".join(rng.choices(WORDS[:20], k=3))
        entities = Entities(urls=["https://example.com/" + rng.randbytes(padding // 2).hex()])
        yield (
            Tweet(id=i, created_ms=at_ms, author_id=i % 50, author="someone", text=text, entities=entities),
            Engagement(viewer_id=i % 50, tweet_id=i % 500, author_id=i % 50, action=Action.LIKE, at_ms=at_ms),
        )


async def write_backlog(settings: Settings, count: int, padding: int) -> int:
    """Returns how many bytes it is."""
    size = 0
    async with replaying(settings) as writer:
        for tweet, engagement in events(count, padding, random.Random(1)):
            size += len(serialize(tweet)) + len(serialize(engagement))
            await write_tweet(writer, tweet)
            await write_engagement(writer, engagement)
        await writer.tick(INPUTS, END_MS)
    return size


def resident_bytes(process: int) -> int:
    fields = Path(f"/proc/{process}/status").read_text().split()
    return int(fields[fields.index("VmRSS:") + 1]) * 1_024


def memory_while_draining(settings: Settings, running: Child) -> list[tuple[float, int]]:
    """(share of the input that is done, resident bytes), again and again until all of it is done."""
    samples: list[tuple[float, int]] = []
    total = sum(o.count for by in kafka_admin.topic_offsets(settings, INPUTS).values() for o in by.values())

    def drained() -> bool:
        samples.append((done(settings) / total, resident_bytes(running.process.pid)))
        return samples[-1][0] == 1

    running.wait_until(drained, seconds=3_000)
    return samples


@pytest.mark.parametrize(
    ("count", "padding", "times_memory"),
    [
        pytest.param(60_000, 4_000, 0.6, id="many"),
        pytest.param(
            130_000, 30_000, 10, id="ten-times-memory", marks=[pytest.mark.soak, pytest.mark.timeout(3_600)]
        ),
    ],
)
def test_a_backlog_drains_in_flat_memory(settings, tmp_path, count, padding, times_memory):
    few = FeatureSettings(duplicate_horizon=1_000, tweet_ttl_s=60)
    settings = msgspec.structs.replace(settings, features=few)
    install(settings)
    size = asyncio.run(write_backlog(settings, count, padding))

    with worker(settings, tmp_path / "worker.log") as running:
        samples = memory_while_draining(settings, running)
        running.wait_until(running.ready)
        running.terminate()

    one_third = next(i for i, (share, _) in enumerate(samples) if share >= 1 / 3)  # the first may be of a start-up
    early = max(resident for _, resident in samples[: one_third + 1])
    late = max(resident for share, resident in samples if share >= 0.5)
    assert late <= GROWTH * early, [(round(share, 2), resident // MIB) for share, resident in samples]
    assert size > times_memory * late

"""A source that stands still makes an owner spill what waits for it, and the decisions are those of enough memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np
import pytest
from msgspec.structs import replace

from contracts.codec import serialize
from contracts.columnar import VocabCounts
from contracts.settings import Settings, VocabSettings
from contracts.topics import VOCAB_COUNTS, VOCAB_DELTAS, VOCAB_STATE
from streams import owner_processor
from streams.state_records import is_of_state, join_state
from streams.vocabulary_processor import VocabularyProcessor, sources_of
from tests.support.installation import PARTITIONS
from tests.support.pipeline_runs import read_all
from tests.support.transport_hops import eventually
from tests.support.vocab_frames import counts_frame
from transport.hop.hop import ExactlyOnceHop
from transport.installation import install
from transport.kafka import admin as kafka_admin
from transport.kafka.cluster import KafkaCluster
from transport.kafka.state_log import read_latest
from transport.kafka.writer import KafkaWriter
from transport.redis.connection import connect
from vocab.keys import shard_of
from vocab.owner.owner import VocabularyOwner

WINDOWS, KEYS, BOUND, EVERY = 40, 60, 300, 7
PARTITION = 1
HOP = "vocabulary"
FEW_SLOTS = VocabSettings.uniform(capacity=256, rare_slots=64, admit_at=3.0, half_life_windows=4.0)


def keys_of_partition(settings: Settings) -> list[int]:
    """Keys of the partition's shards, ascending."""
    keys = np.arange(1, 1 << 12, dtype=np.uint64) << np.uint64(52)
    return keys[shard_of(keys, settings.vocab.shards) % PARTITIONS == PARTITION][:KEYS].tolist()


def frames_of(settings: Settings, source: tuple[str, int]) -> list[VocabCounts]:
    """One source's frames: counts of every window in two frames, and a marker."""
    keys = keys_of_partition(settings)
    frames = []
    for window in range(1, WINDOWS + 1):
        shown = [key for place, key in enumerate(keys) if (place + window + source[1]) % 3]
        for part in (shown[::2], shown[1::2]):
            tokens = [f"word{key:x}" for key in part]
            counts = [window % 5 + 1] * len(part)
            frames.append(counts_frame(window, window - 1, part, counts, source=source, tokens=tokens))
        frames.append(counts_frame(window, window, source=source))
    return frames


@contextlib.asynccontextmanager
async def owner_hop(settings: Settings) -> AsyncIterator[list[VocabularyProcessor]]:
    """The hop of the owners, killed at the end of the block; the processors that it made."""
    made: list[VocabularyProcessor] = []
    kafka = KafkaCluster(settings)
    async with contextlib.aclosing(connect(settings)) as redis:

        def make(number: int) -> VocabularyProcessor:
            made.append(VocabularyProcessor(settings, kafka, number, redis))
            return made[-1]

        hop = ExactlyOnceHop(kafka, HOP, [VOCAB_COUNTS], make, partitions=PARTITIONS, max_records=5, linger_ms=0)
        running = asyncio.create_task(hop.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def send(settings: Settings, frames: list[VocabCounts]) -> None:
    async with KafkaWriter(settings) as writer:
        for frame in frames:
            await writer.send(VOCAB_COUNTS, None, serialize(frame), PARTITION)


async def work_until(settings: Settings, left: int) -> None:
    """Work until at most so many frames are left, then die."""
    async with owner_hop(settings) as made:

        async def reached() -> bool:
            assert all(processor.owner.pending.rows <= BOUND + 5 * KEYS for processor in made)
            lags = await asyncio.to_thread(kafka_admin.lags, settings, {HOP: [VOCAB_COUNTS]})
            return lags[HOP] <= left

        await eventually(reached, f"{left} frames are left")


async def stored(settings: Settings) -> dict[bytes, bytes]:
    return await read_latest(KafkaCluster(settings), VOCAB_STATE, PARTITION)


@pytest.mark.timeout(300)
async def test_decisions_are_those_of_an_owner_that_holds_everything(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_processor, "MOST_PENDING_ROWS", BOUND)
    monkeypatch.setattr(owner_processor, "EVERY_RECORDS", EVERY)
    settings = replace(settings, vocab=FEW_SLOTS)
    install(settings)
    ahead, *behind = sorted(sources_of(settings))
    await send(settings, frames_of(settings, ahead))
    for left in (60, 20, 0):
        await work_until(settings, left)
    spilled = [key for key in await stored(settings) if not is_of_state(key)]
    assert len(spilled) > WINDOWS // 2
    for source in behind:
        await send(settings, frames_of(settings, source))
    for left in (300, 200, 120, 60, 30, 0):
        await work_until(settings, left)

    expected = VocabularyOwner.begin(
        settings.vocab,
        range(PARTITION, settings.vocab.shards, PARTITIONS),
        sources_of(settings),
        settings.time.window_ms,
    )
    for source in (ahead, *behind):
        for frame in frames_of(settings, source):
            expected.observe(frame)
    deltas = [serialize(delta) for delta in expected.close_windows()]
    assert [record.value for record in read_all(settings, VOCAB_DELTAS)] == deltas
    assert expected.state.version == WINDOWS

    latest = await stored(settings)
    state = join_state(latest)
    assert state is not None
    last = VocabularyOwner.from_bytes(settings.vocab, state.state, settings.time.window_ms)
    of_state = {b"%d.%d" % (window, n) for window, of in last.pending.spilled.items() for n in range(of.parts)}
    assert {key for key in latest if not is_of_state(key)} == of_state, "what is decided is deleted"
    assert len(of_state) < len(spilled)
